/** The client of a request to the admin API or to the dashboard, as the server that was asked has judged it. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Administrator {
  /** For pages and the log: the name of an account, token or certificate, `the admin socket`, or `loopback`. */
  readonly name: string;
  /**
   * How it was let in. `socket`: the file mode of the admin socket; `principal`: credentials with the right `administer`; `session`: a
   * cookie of the dashboard; `loopback`: this machine, where no accounts are configured.
   */
  readonly by: 'socket' | 'principal' | 'session' | 'loopback';
  /** False: it may look, and change nothing. */
  readonly mayChange: boolean;
}

/** The environment of the Hono apps that are mounted behind the check of `administer`: `c.get('administrator')`. */
export interface AdministeredEnv {
  readonly Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
  readonly Variables: { readonly administrator: Administrator };
}
