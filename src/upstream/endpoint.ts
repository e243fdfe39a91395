/** One place to ask for one image: what rewriting a reference to a mirror's or the source's location gives. */
import { type Reference, referenceName } from '../oci/reference.ts';

/** A mirror of an entry of registries.conf, or its location. */
export type EndpointRole = 'mirror' | 'source';

export interface Endpoint {
  /** As this endpoint knows the image; tag and digest as asked. */
  readonly reference: Reference;
  /** `host[:port]`, the rewritten reference's registry. */
  readonly host: string;
  /** As written in registries.conf; the prefix, or the name itself, where none is. */
  readonly location: string;
  readonly role: EndpointRole;
  readonly insecure: boolean;
  /** The prefix of the blocked entry that forbids contacting this endpoint. */
  readonly blockedBy: string | undefined;
  /** Only the client has named it (`routing.unlisted = "direct"`): its DNS may lead anywhere. */
  readonly isUnlisted?: true;
  /** What every request to this endpoint bears as `?ns=`: it is a proxy that learns the registry from that. */
  readonly namespaceProxy?: string;
}

/** `host/repository`: names an endpoint in memory, in the index and to people. */
export function endpointKey(endpoint: Endpoint): string {
  return referenceName(endpoint.reference);
}
