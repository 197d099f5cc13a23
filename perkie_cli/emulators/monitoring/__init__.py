"""Cloud Monitoring over gRPC, with the rules that Google's has."""
