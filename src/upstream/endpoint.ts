/** One place to ask for one image: what rewriting a reference to a mirror's or the source's location gives. */
import { type Reference, referenceName } from '../oci/reference.ts';

/**
 * A mirror of an entry of registries.conf, or its location; another replica of this program (`[cluster]`); a bucket (`[[store]]`), or the disk
 * of another replica as one: what it has or lacks says nothing of what a registry has.
 */
export type EndpointRole = 'mirror' | 'source' | 'peer' | 'store';

export interface Endpoint {
  /** As this endpoint knows the image; tag and digest as asked. */
  readonly reference: Reference;
  /** `host[:port]`, the rewritten reference's registry. */
  readonly host: string;
  /** As written in registries.conf; the prefix, or the name itself, if nothing is written there. */
  readonly location: string;
  readonly role: EndpointRole;
  readonly insecure: boolean;
  /** The prefix of the blocked entry that forbids contacting this endpoint. */
  readonly blockedBy: string | undefined;
  /** It is named by the client alone (`routing.unlisted = "direct"`): its DNS may lead anywhere. */
  readonly isUnlisted?: true;
  /** The list of all repositories is asked for: it needs another scope than a pull. */
  readonly isForCatalogue?: true;
  /** Every request to this endpoint carries it as `?ns=`: the endpoint is a proxy that learns from it which registry is meant. */
  readonly namespaceProxy?: string;
  /** Name of the `[[store]]` block; of buckets alone. */
  readonly store?: string;
  /** How a peer is reached; of peers alone. */
  readonly peer?: PeerAddress;
}

/** Another replica, as connections need it. */
export interface PeerAddress {
  /** `https://10.1.2.3:5000`. */
  readonly origin: string;
  /** The host by which its certificate and its settings are found. */
  readonly name: string;
  /** It is asked for what it has stored alone. */
  readonly isStoredOnly?: true;
}

/**
 * `host/repository`, and `host/repository?ns=REGISTRY` for a namespace proxy: two registries behind one proxy may have a
 * repository of the same name. Identifies an endpoint in memory, in the index and in trails.
 */
export function endpointKey({ reference, namespaceProxy }: Endpoint): string {
  const name = referenceName(reference);
  return namespaceProxy === undefined ? name : `${name}?ns=${namespaceProxy}`;
}
