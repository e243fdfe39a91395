/** Apps that are served beside the distribution API to administrators: each is mounted at its path, behind the check of `administer`. */
import type { IncomingMessage } from 'node:http';
import type { Context, Hono } from 'hono';
import type { AdministeredEnv, TypedCredentials } from '../../admin/administrator.ts';
import { type Administer, type AdministerRefusal, otherSiteRefusal } from './administer.ts';

export interface Mount {
  /** `/api/v1`, `/ui`. */
  readonly path: string;
  /** Its routes are below that path. */
  readonly app: Hono<AdministeredEnv>;
  /** Paths below it that need no right, such as `/sign-in`. The administrator is undefined there. */
  readonly isOpen?: ((path: string) => boolean) | undefined;
  /** The answer for a client that has not the right. WWW-Authenticate is added to it. */
  readonly refused: (refusal: AdministerRefusal, c: Context<AdministeredEnv>) => Response | Promise<Response>;
}

/** Hears of a request whose client lacks the right, or was led here by a page of another site. `name`: of the client, if that is known. */
export type DeniedChange = (incoming: IncomingMessage, path: string, name: string | undefined) => void;

/** Adds the routes of all mounts. */
export function addMounts(
  app: Hono<AdministeredEnv>,
  mounts: readonly Mount[],
  administer: Administer,
  typedCredentials: (incoming: IncomingMessage) => TypedCredentials,
  denied: DeniedChange,
): void {
  for (const mount of mounts) {
    const guard = async (c: Context<AdministeredEnv>, next: () => Promise<void>) => {
      c.header('Cross-Origin-Resource-Policy', 'same-origin');
      const foreign = otherSiteRefusal(c.env.incoming);
      if (foreign) {
        denied(c.env.incoming, c.req.path, undefined);
        return await mount.refused(foreign, c);
      }
      c.set('typed', typedCredentials(c.env.incoming));
      if (mount.isOpen?.(c.req.path.slice(mount.path.length))) return await next();
      const found = await administer(c.env.incoming);
      if (found.ok) {
        c.set('administrator', found.administrator);
        return await next();
      }
      denied(c.env.incoming, c.req.path, found.name);
      if (found.challenge !== undefined) c.header('WWW-Authenticate', found.challenge);
      return await mount.refused(found, c);
    };
    app.use(mount.path, guard);
    app.use(`${mount.path}/*`, guard);
    app.route(mount.path, mount.app);
  }
}
