/** What a person who has started the server in a terminal can do next. */
import type { Config } from '../../config/config.ts';
import { dockerHub } from '../../oci/docker-hub.ts';

/** `address`: `host:port`, as it listens; `explain`: the command of this program that explains an image, with its flags. */
export function welcome({ server, registries }: Config, address: string, explain: string): string {
  const isTls = server.tls.certificate !== undefined;
  // On all addresses, it is reached by any of them. The name of an image cannot have an IPv6 address in it.
  const reached = address.replace(/^(?:0\.0\.0\.0|\[::\]):/, '127.0.0.1:').replace(/^\[::1\]:/, 'localhost:');
  const plain = registries.entries.filter(({ prefix, blocked }) => !blocked && !prefix.startsWith('*.'));
  // podman, skopeo and Docker take no port in a path, but a name for it from entrepot.toml.
  const named = plain.map(({ prefix }) => ({ prefix, path: pathOf(prefix, server.routing.names) }));
  const { prefix, path } = named.find((one) => !/^[^/]*:/.test(one.path)) ?? named[0] ?? noRegistry;
  const isHub = plain.some(({ prefix }) => prefix === dockerHub);
  const repository = isHub ? 'library/alpine:latest' : 'REPOSITORY:TAG';
  const image = `${isHub ? dockerHub : path}/${repository}`;
  const explained = `${isHub ? dockerHub : prefix}/${repository}`;
  const source =
    registries.files.length > 0
      ? registries.files.join(', ')
      : 'the built-in list of public registries (no registries.conf was found)';
  return [
    '',
    `  Entrepot serves images at ${isTls ? 'https' : 'http'}://${reached}`,
    `  registries: ${source}`,
    `  cache:      ${server.data}`,
    '',
    '  A first pull, in another terminal:',
    `    podman pull ${isTls ? '' : '--tls-verify=false '}${reached}/${image}`,
    // Docker speaks plain HTTP to loopback only.
    ...(isTls || /^(?:127\.|localhost:)/.test(reached) ? [`    docker pull ${reached}/${image}`] : []),
    '  Where an image comes from:',
    `    ${explain} ${explained}`,
    '',
    '',
  ].join('\n');
}

const noRegistry = { prefix: 'REGISTRY', path: 'REGISTRY' };

/** How a path names what `prefix` stands for. */
function pathOf(prefix: string, names: ReadonlyMap<string, string>): string {
  const [registry = '', ...rest] = prefix.split('/');
  const alias = [...names].find(([, named]) => named === registry)?.[0];
  return [alias ?? registry, ...rest].join('/');
}
