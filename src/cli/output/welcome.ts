/** The text that a server prints in a terminal when it listens: what to do next. */
import type { Config } from '../../config/config.ts';
import { hasBuiltInList } from '../../config/registries-conf/built-in.ts';
import { dockerHub } from '../../oci/docker-hub.ts';
import { builtInReason } from './registry-list.ts';

/** `address`: `host:port`, as it listens. `explain`: the command line that explains an image, without the image. */
export function welcome({ server, registries }: Config, address: string, explain: string): string {
  const isTls = server.tls.certificate !== undefined;
  // A server on all addresses is reached by each of them. The name of an image cannot contain an IPv6 address.
  const reached = address.replace(/^(?:0\.0\.0\.0|\[::\]):/, '127.0.0.1:').replace(/^\[::1\]:/, 'localhost:');
  const plain = registries.entries.filter(({ prefix, blocked }) => !blocked && !prefix.startsWith('*.'));
  // podman, skopeo and Docker accept no port in a path, but a name from routing.names of entrepot.toml.
  const named = plain.map(({ prefix }) => ({ prefix, path: pathOf(prefix, server.routing.names) }));
  const { prefix, path } = named.find((one) => !/^[^/]*:/.test(one.path)) ?? named[0] ?? noRegistry;
  const isHub = plain.some(({ prefix }) => prefix === dockerHub);
  const repository = isHub ? 'library/alpine:latest' : 'REPOSITORY:TAG';
  const image = `${isHub ? dockerHub : path}/${repository}`;
  const explained = `${isHub ? dockerHub : prefix}/${repository}`;
  const source = hasBuiltInList(registries)
    ? `the built-in list of public registries (${builtInReason(registries.files)})`
    : registries.files.join(', ');
  return [
    '',
    `  Entrepot serves images at ${isTls ? 'https' : 'http'}://${reached}`,
    `  registries: ${source}`,
    `  cache:      ${server.data}`,
    '',
    '  A first pull, in another terminal:',
    `    podman pull ${isTls ? '' : '--tls-verify=false '}${reached}/${image}`,
    // Docker uses plain HTTP with loopback addresses only.
    ...(isTls || /^(?:127\.|localhost:)/.test(reached) ? [`    docker pull ${reached}/${image}`] : []),
    '  What the server does:',
    `    ${isTls ? 'https' : 'http'}://${reached}/ui`,
    '  Where an image comes from:',
    `    ${explain} ${explained}`,
    '',
    '',
  ].join('\n');
}

const noRegistry = { prefix: 'REGISTRY', path: 'REGISTRY' };

/** The path under which clients ask for images of `prefix`. */
function pathOf(prefix: string, names: ReadonlyMap<string, string>): string {
  const [registry = '', ...rest] = prefix.split('/');
  const alias = [...names].find(([, named]) => named === registry)?.[0];
  return [alias ?? registry, ...rest].join('/');
}
