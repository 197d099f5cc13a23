"""Cloud Storage, Firestore and Secret Manager."""
