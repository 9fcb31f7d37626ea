-- Introductions that lead to the same person.
create index concurrently if not exists intro_opportunities_of_prospect
on public.intro_opportunities (prospect_id)
where prospect_id is not null;
