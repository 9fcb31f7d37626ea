# The state is in a bucket that Terraform does not make: docs/operations.md, "First deployment".
# `make plan` and `make deploy` name it: PROJECT-terraform, under yachtparty/. It holds no secret.
terraform {
  backend "gcs" {}
}
