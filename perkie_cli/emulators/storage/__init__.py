"""Cloud Storage's JSON API on loopback: https://docs.cloud.google.com/storage/docs/json_api/v1"""
