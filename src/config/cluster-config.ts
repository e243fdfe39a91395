/** `[cluster]`: which replicas belong together, and how they prove it. */

/** The replicas that share what they fetch. */
export interface ClusterConfig {
  /** `https://host:port` of each replica. Empty where `dns` names them. */
  readonly peers: readonly string[];
  /** `name:port` whose addresses are the replicas. */
  readonly dns: string | undefined;
  /** `https://host:port` of this replica. Undefined with `dns`: the address that is one of this machine. */
  readonly self: string | undefined;
  /** Absolute path of a file with the secret that replicas prove themselves by. Undefined: they do it by client certificates. */
  readonly secretFile: string | undefined;
  /** Whether every replica keeps the blobs that pass through it, or only their owner. */
  readonly keep: 'all' | 'owner';
}
