/** Another replica of this program, or this one. */
export interface Peer {
  /** `host:port`: the same text on every replica. */
  readonly id: string;
  /** `https://host:port`. */
  readonly origin: string;
  /** The host by which settings and certificates are found: for members from DNS, the name that was looked up. */
  readonly name: string;
}

const defaultPorts: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' };

/** `url`: scheme and host. */
export function peerAt(url: string): Peer {
  const { protocol, hostname, port, origin } = new URL(url);
  const id = `${hostname}:${port || defaultPorts[protocol]}`;
  return { id, origin, name: id };
}
