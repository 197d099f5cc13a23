#!/bin/sh
# Starts the job perkie-warm every night at 03:00 UTC. Cloud Scheduler calls googleapis.com with an OAuth token (an OIDC
# token is for services of your own). It may start a job twice; the second warmer says since when the first runs, and ends.
set -eu
PROJECT=${1:?the id of your project}
REGION=us-central1
ACCOUNT="perkie-scheduler@$PROJECT.iam.gserviceaccount.com"

gcloud run jobs add-iam-policy-binding perkie-warm --project="$PROJECT" --region="$REGION" \
  --member="serviceAccount:$ACCOUNT" --role=roles/run.invoker

gcloud scheduler jobs create http perkie-warm --project="$PROJECT" --location="$REGION" \
  --schedule="0 3 * * *" --time-zone=Etc/UTC --attempt-deadline=60s \
  --http-method=POST --uri="https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/perkie-warm:run" \
  --oauth-service-account-email="$ACCOUNT"
