/** A proxy between clients and one upstream registry, as the bench sees it. */
import type { Stage } from '../stage.ts';

export type PeerName = 'entrepot' | 'docker-registry' | 'nginx';

export interface Peer {
  readonly name: PeerName;
  /** The program that has to be installed, with the Debian package that brings it. */
  readonly needs?: { readonly program: string; readonly debian: string };
  start(stage: Stage, upstream: UpstreamOfPeer): Promise<RunningPeer>;
}

export interface UpstreamOfPeer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Hosts asked before, in this order: Entrepot only. */
  readonly mirrors?: readonly string[];
  /** Speaks TLS, and its certificate counts: Entrepot only. */
  readonly verify?: boolean;
  /** A data folder that is there already: Entrepot only. */
  readonly data?: string;
  /** `127.0.0.1:PORT` to listen on. Default: a free one. Entrepot only. */
  readonly address?: string;
  /** More of entrepot.toml: Entrepot only. */
  readonly toml?: string;
}

export interface RunningPeer {
  readonly name: PeerName;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly pid: number;
  /** Puts a file where it is served as it is, past any proxying: nginx only. */
  place?(path: string, from: string): Promise<void>;
  stop(): Promise<void>;
  /** Again, on what it has. */
  start(): Promise<void>;
}
