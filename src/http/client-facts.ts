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
  /** The client speaks TLS, to this server or to a trusted proxy in front of it. */
  readonly secure: boolean;
}

/** Names of client certificates; a connection keeps its own. */
const namesOf = new WeakMap<TLSSocket, readonly string[]>();

/** What is known of a request beside its headers: `address` and `secure` by `client-address.ts`. */
export interface AroundRequest extends Pick<ClientFacts, 'address' | 'secure'> {
  readonly route: Pick<Router, 'image'>;
}

/** Reads the headers and the connection. An empty Authorization header is none. */
export function clientFacts(
  { headers, socket }: IncomingMessage,
  { route, address, secure }: AroundRequest,
): ClientFacts {
  const { host } = headers;
  return {
    authorization: headers.authorization || undefined,
    certificate: socket instanceof TLSSocket ? certificateNamesOf(socket) : undefined,
    address,
    host,
    secure,
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
