"""A local server that speaks Firestore's gRPC protocol (google.firestore.v1), with faults on demand."""
