// The Supabase API of the local stack: @supabase/lite embedded over the local PostgreSQL.
//
// Its command line is not used because its defaults encode JSON arguments twice (a jsonb
// parameter arrives as a string) and grant everything on every table to anon. Settings come from
// the environment: PORT, DATABASE_SOCKET_DIR, SUPABASE_SECRET_KEY, SUPABASE_PUBLISHABLE_KEY.

import { serve } from "@hono/node-server";
import { App } from "@supabase/lite";
import { PostgresConnection } from "@supabase/lite/postgres";
import { sql } from "kysely";

const REQUIRED = ["PORT", "DATABASE_SOCKET_DIR", "SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY"];
for (const name of REQUIRED) {
  if (!process.env[name]) {
    console.error(`${name} is not set; this server is started by "python -m local.stack"`);
    process.exit(2);
  }
}

// A string is JSON text already (lite encodes objects itself); anything else is encoded once.
const encode = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// The HTTP status PostgREST answers to a SQLSTATE, by its longest matching prefix; 400 otherwise.
const STATUS_BY_SQLSTATE = {
  "08": 503, "09": 500, "0L": 403, "0P": 403, 23503: 409, 23505: 409, 25: 500, 25006: 405,
  28: 403, "2D": 500, 38: 500, 39: 500, "3B": 500, 40: 500, 42501: 403, 42883: 404, "42P01": 404,
  "42P17": 500, 53: 503, 53400: 500, 54: 500, 55: 500, 57: 500, "57P01": 503, "57P02": 503,
  "57P03": 503, 58: 500, F0: 500, HV: 500, P0: 500, P0001: 400, XX: 500,
};

function statusOf(sqlstate) {
  return STATUS_BY_SQLSTATE[sqlstate] ?? STATUS_BY_SQLSTATE[sqlstate.slice(0, 2)] ?? 400;
}

class Connection extends PostgresConnection {
  // `migrate` made the roles and decided their grants; lite would grant all to all three.
  async ensureRlsContext() {
    return true;
  }

  // One statement where lite sends five: each costs two round trips to PostgreSQL.
  async applyJwtSessionContext(transaction, vars) {
    const role = vars.auth?.role ?? "anon";
    await sql`select
      set_config('role', ${role}, true),
      set_config('request.jwt.claim.sub', ${String(vars.auth?.uid ?? "")}, true),
      set_config('request.jwt.claim.role', ${role}, true),
      set_config('request.jwt.claims', ${JSON.stringify(vars.auth?.jwt ?? {})}, true)
    `.execute(transaction);
  }

  // No function of ours reads request.method, request.path or request.headers.
  async applyRpcRequestGucs() {}

  // lite loses the SQLSTATE, detail and hint of most errors. Its code "PGRST" carries them all.
  normalizeDbError(error) {
    const isLostConnection = /^(E[A-Z]+|CONNECT(ION)?_[A-Z]+)$/.test(error?.code ?? "");
    // No SQLSTATE begins with E; EPIPE only looks like one.
    const isFromServer = !isLostConnection && /^[0-9A-Z]{5}$/.test(error?.code ?? "");
    if (!isFromServer && !isLostConnection) {
      return error;
    }
    const sqlstate = isFromServer ? error.code : "PGRST000";
    return Object.assign(new Error(), {
      code: "PGRST",
      message: JSON.stringify({
        code: sqlstate,
        message: error.message,
        details: error.detail ?? null,
        hint: error.hint ?? null,
      }),
      detail: JSON.stringify({ status: isFromServer ? statusOf(sqlstate) : 503, headers: {} }),
      stack: "", // where lite logs it, the SQLSTATE says more than postgres.js's own frames
    });
  }

  // A string given for a json or jsonb parameter is a JSON string, as with PostgREST; lite would
  // send its characters as if they were JSON text.
  async onPostgrestAST(ast) {
    if (ast.type !== "rpc" || !ast.args || Array.isArray(ast.args)) {
      return super.onPostgrestAST(ast);
    }
    const names = Object.keys(ast.args);
    const { functions } = await this.introspect({ useCache: true });
    const called = functions?.find(
      (known) =>
        known.name === ast.function && names.every((name) => known.arg_names.includes(name)),
    );
    const args = Object.fromEntries(
      names.map((name) => {
        const type = called?.arg_types[called.arg_names.indexOf(name)];
        const value = ast.args[name];
        const isJson = type === "json" || type === "jsonb";
        return [name, isJson && typeof value === "string" ? JSON.stringify(value) : value];
      }),
    );
    return super.onPostgrestAST({ ...ast, args });
  }
}

const connection = new Connection({
  postgresOptions: {
    host: process.env.DATABASE_SOCKET_DIR,
    database: "postgres",
    username: "postgres",
    max: 40,
    max_lifetime: null,
    backoff: () => 0.1, // seconds; PostgreSQL is back within one after a crash
    onnotice: () => {},
    types: {
      json: { to: 114, from: [114], serialize: encode, parse: JSON.parse },
      jsonb: { to: 3802, from: [3802], serialize: encode, parse: JSON.parse },
    },
  },
});

const app = new App({
  connection,
  auth: {
    enabled: false,
    secret_key: process.env.SUPABASE_SECRET_KEY,
    publishable_key: process.env.SUPABASE_PUBLISHABLE_KEY,
  },
  studio: { enabled: false },
});

// As PostgREST does: what is callable is read once, and again on `notify pgrst, 'reload schema'`.
await connection.driver.listen("pgrst", () => connection.clearSchemaCache());
await connection.introspect({ useCache: true });

serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  fetch: (request, env) =>
    app.fetch(request, { peerAddress: env.incoming.socket.remoteAddress ?? null }),
});
