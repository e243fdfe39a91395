/** Names that clients write. Commands take names that begin with the registry; clients write the address of this server, and `routing.names`. */
import type { ServerConfig } from '../../config/config.ts';

/** What a client that asks this server for `given` gets; undefined where that is `given` itself. */
export function meantByClients(
  given: string,
  { listen, routing }: Pick<ServerConfig, 'listen' | 'routing'>,
): string | undefined {
  const address = `${listen.host}:${listen.port}/`;
  const path = given.startsWith(address) ? given.slice(address.length) : given;
  const slash = path.indexOf('/');
  const registry = slash < 0 ? undefined : routing.names.get(path.slice(0, slash));
  if (registry !== undefined) return `${registry}${path.slice(slash)}`;
  return path === given ? undefined : path;
}

/** Sentences for names under which a command has found nothing, and which mean something else to clients. */
export function clientNameHints(
  given: readonly string[],
  server: Pick<ServerConfig, 'listen' | 'routing'>,
): readonly string[] {
  return given.flatMap((name) => {
    const meant = meantByClients(name, server);
    return meant === undefined
      ? []
      : `${name}: a client that asks this server for it gets ${meant}: name that one here`;
  });
}
