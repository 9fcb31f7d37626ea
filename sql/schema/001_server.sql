-- What a Supabase project has and a plain PostgreSQL server may lack.
--
-- The three roles that PostgREST switches to, and uuid_generate_v4(), the default of prospects.id.
-- Whatever is missing is supplied with a notice, or skipped with one: pg_cron and http are documented
-- for production, nothing here uses them (Cloud Scheduler and the functions took their place), and
-- http would let SQL call out, so neither is installed by us.

do $$
declare
    v_role text;
begin
    foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
        if to_regrole(v_role) is null then
            begin
                execute format('create role %I nologin noinherit', v_role);
                raise notice 'The role % was missing and has been created.', v_role;
            exception
                -- Roles belong to the whole server: another database's migration may be as fast.
                when duplicate_object or unique_violation then null;
                when insufficient_privilege then
                    raise notice 'The role % is missing and % may not create it; nothing is granted to it.',
                        v_role, current_user;
            end;
        end if;
    end loop;
    if exists (select 1 from pg_roles where rolname = 'service_role' and not rolbypassrls) then
        begin
            alter role service_role bypassrls;
        exception
            when internal_error then null;
            when insufficient_privilege then
                raise notice 'The role service_role does not bypass row-level security and % may not '
                    'change that; the functions will see no rows.', current_user;
        end;
    end if;
end;
$$;

do $$
declare
    v_extension text;
begin
    foreach v_extension in array array['pg_cron', 'http'] loop
        if not exists (select 1 from pg_extension where extname = v_extension) then
            raise notice 'The extension % is not installed; nothing here needs it.', v_extension;
        end if;
    end loop;
    if not exists (select 1 from pg_extension where extname = 'uuid-ossp') then
        begin
            create schema if not exists extensions;
            create extension "uuid-ossp" with schema extensions;
            raise notice 'The extension uuid-ossp was missing and has been installed.';
        exception
            when feature_not_supported or undefined_file or insufficient_privilege then
                raise notice 'The extension uuid-ossp cannot be installed here; uuid_generate_v4() is '
                    'supplied instead.';
        end;
    end if;
end;
$$;

do $$
begin
    if not exists (select 1 from pg_proc where proname = 'uuid_generate_v4' and pronargs = 0) then
        create function public.uuid_generate_v4()
        returns uuid
        language sql
        volatile
        set search_path = pg_catalog, pg_temp
        return gen_random_uuid();
    end if;
end;
$$;
