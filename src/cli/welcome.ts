/** What a person who has started the server in a terminal can do next. */
import type { Config } from '../config/config.ts';

/** `address`: `host:port`, as it listens; `program`: how this program is called here. */
export function welcome({ server, registries }: Config, address: string, program: string): string {
  const isTls = server.tls.certificate !== undefined;
  // On all addresses, it is reached by any of them. The name of an image cannot have an IPv6 address in it.
  const reached = address.replace(/^(?:0\.0\.0\.0|\[::\]):/, '127.0.0.1:').replace(/^\[::1\]:/, 'localhost:');
  const plain = registries.entries.filter(({ prefix, blocked }) => !blocked && !prefix.startsWith('*.'));
  const [first] = plain;
  const isHub = plain.some(({ prefix }) => prefix === 'docker.io');
  const image = isHub ? 'docker.io/library/alpine:latest' : `${first?.prefix ?? 'REGISTRY'}/REPOSITORY:TAG`;
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
    `    ${program} explain ${image}`,
    '',
    '',
  ].join('\n');
}
