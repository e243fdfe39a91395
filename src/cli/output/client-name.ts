/** Names that clients write. Commands take names that begin with the registry; clients write the address of this server, and `routing.names`. */
import type { ServerConfig } from '../../config/config.ts';
import { type LoadOptions, loadConfig } from '../../config/load.ts';
import { namedServer } from '../../config/remote-server.ts';

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

/**
 * Sentences for names under which a command has found nothing, and which mean something else to clients of the server that is configured
 * here. Throws EntrepotError where the configuration cannot be used.
 */
export function clientNameHints(given: readonly string[], options: LoadOptions): readonly string[] {
  if (given.length === 0 || namedServer(options.flags, options.env) !== undefined) return [];
  const { server } = loadConfig(options);
  return given.flatMap((name) => {
    const meant = meantByClients(name, server);
    return meant === undefined
      ? []
      : `${name}: a client that asks this server for it gets ${meant}: name that one here`;
  });
}
