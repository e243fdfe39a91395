/** One row of the bench: a question, and what it takes to answer it. */
import type { Line } from './measure.ts';
import type { Peer, RunningPeer, UpstreamOfPeer } from './peers/peer.ts';
import type { Stage } from './stage.ts';

export interface Row {
  readonly name: string;
  readonly asks: string;
  run(bench: Bench): Promise<readonly Line[]>;
}

export interface Bench {
  readonly stage: Stage;
  /** Installed ones, Entrepot first. */
  readonly peers: readonly Peer[];
  /** Less of everything, to see that it works. */
  readonly quick: boolean;
  /** Measured turns of each peer, after the warm-up. */
  readonly turns: number;
  /** Starts all peers on one upstream, or only `among` them. */
  start(upstream: UpstreamOfPeer, among?: readonly RunningPeer['name'][]): Promise<readonly RunningPeer[]>;
}
