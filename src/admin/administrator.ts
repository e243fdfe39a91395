/** The client of a request to the admin API or to the dashboard, as the server that was asked has judged it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Identified } from '../access/access.ts';
import type { AuditEntry } from '../telemetry/audit/audit.ts';

export interface Administrator {
  /** For pages and the log: the name of an account, token or certificate, `the admin socket`, or `loopback`. */
  readonly name: string;
  /**
   * How it was let in. `socket`: the file mode of the admin socket; `principal`: credentials with the right `administer`; `session`: a
   * cookie of the dashboard; `loopback`: this machine, where no accounts are configured.
   */
  readonly by: 'socket' | 'principal' | 'session' | 'loopback';
  /** Address of the client; undefined on the admin socket. */
  readonly client?: string;
  /** False: it may look, and change nothing. */
  readonly mayChange: boolean;
}

/** The environment of the Hono apps that are mounted behind the check of `administer`: `c.get('administrator')`. */
export interface AdministeredEnv {
  readonly Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
  readonly Variables: {
    readonly administrator: Administrator;
    readonly typed: TypedCredentials;
    /** What a command is about, for the log. */
    about?: string;
    /** Of a command that answers while it works: whether it was done, once it is over. */
    isDone?: Promise<boolean>;
  };
}

/** For a sign-in: credentials that came in a form. */
export interface TypedCredentials {
  /** `authorization`: as in the header. Never rejects for what a client sends. */
  identify(authorization: string): Promise<Identified>;
  /** The client speaks TLS, to this server or to a trusted proxy in front of it. */
  readonly isSecure: boolean;
}

/** The part of an audited change that says which client made it. */
export function auditedBy({
  name,
  by,
  client,
}: Administrator): Pick<AuditEntry, 'action' | 'principal' | 'client'> {
  return { action: 'change', principal: { kind: by, name }, client };
}
