"""Google Cloud's permissions, emulated: policies of projects, secrets and service accounts, and keys of accounts."""
