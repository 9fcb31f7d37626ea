-- workflows_from: what was recommended to others from a member's answers or offer.
--
-- arguments    p_user_id, users.id
-- result       the other members' solution_workflows
-- locks        none
create or replace function workflows_from(p_user_id uuid)
returns setof solution_workflows
language sql
stable
set search_path = public, pg_temp
as $$
    select w.*
    from solution_workflows as w
    where
        w.user_id <> p_user_id
        and (
            as_object(w.expert_recommendations) -> 'answers'
            ?| array(select a.id::text from community_responses as a where a.user_id = p_user_id)
            or exists (
                select 1
                from innovators as i
                where
                    i.user_id = p_user_id
                    and w.matched_innovators @> jsonb_build_array(jsonb_build_object('innovator_id', i.id))
            )
        );
$$;
