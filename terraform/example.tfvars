# Copy to PROJECT.tfvars, named after the project, and fill in. No secret belongs here; variables.tf
# says what else there is.

supabase_url = "https://REF.supabase.co"

twilio = {
  account_sid = "AC00000000000000000000000000000000"
  number      = "+12125550100"
}

mail = {
  domain              = "in.example.com"
  sendgrid_public_key = ""
}

alerts_to = "operators@example.com"

# claude_usd_per_day = { budget = 40, cap = 50 }
# google_budget      = { billing_account = "012345-6789AB-CDEF01", monthly = 200 }
