# The secrets, without their values: operators add those with gcloud (docs/operations.md, "Secrets"),
# so that no value is ever in a variable, a plan or the state.

locals {
  # Which functions read which secret; system.yaml says it the other way round.
  readers = transpose({ for name, function in local.functions : name => function.secrets })
}

resource "google_secret_manager_secret" "secret" {
  for_each = local.readers

  secret_id = lower(replace(each.key, "_", "-"))

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

# A binding, not members: whoever else was given this role loses it.
resource "google_secret_manager_secret_iam_binding" "readers" {
  for_each = local.readers

  secret_id = google_secret_manager_secret.secret[each.key].secret_id
  role      = "roles/secretmanager.secretAccessor"
  members   = [for name in each.value : google_service_account.function[name].member]
}
