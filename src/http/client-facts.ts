/** What access control needs to know of a request: its credentials, its address, and how it names images. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Credentials } from '../access/access.ts';
import { certificateNames } from '../access/certificate-names.ts';
import type { Router } from '../routing/router.ts';

export interface ClientFacts extends Credentials {
  /** The Host header. */
  readonly host: string | undefined;
  /** The client speaks TLS, to this server or to a proxy in front of it. */
  readonly secure: boolean;
}

/** Names of client certificates; a connection keeps its own. */
const namesOf = new WeakMap<TLSSocket, readonly string[]>();

/** Reads the headers and the connection. `address`: see `client-address.ts`. An empty Authorization header is none. */
export function clientFacts(
  { headers, socket }: IncomingMessage,
  { route, address }: { readonly route: Pick<Router, 'image'>; readonly address: string },
): ClientFacts {
  const { host } = headers;
  const isTls = socket instanceof TLSSocket;
  return {
    authorization: headers.authorization || undefined,
    certificate: isTls ? certificateNamesOf(socket) : undefined,
    address,
    host,
    // A client that lies here sends only itself to HTTPS. Without it, a password would go to a proxy that ends TLS as plain text.
    secure: isTls || headers['x-forwarded-proto'] === 'https',
    resolve(name) {
      const routed = route.image(name, undefined, host);
      return routed.ok ? routed.image.name : undefined;
    },
  };
}

/** Names in the certificate of a client that `tls.client_ca` vouches for. */
export function certificateNamesOf(socket: Socket): readonly string[] {
  if (!(socket instanceof TLSSocket)) return [];
  const known = namesOf.get(socket);
  if (known) return known;
  const names = socket.authorized ? certificateNames(socket.getPeerCertificate()) : [];
  namesOf.set(socket, names);
  return names;
}
