/**
 * Fair comparison on a machine that others use too: the peers take turns (A B C, B C A, C A B ...) at the same work, the first
 * turn is thrown away, and medians are compared. Absolute figures move with the machine; ratios move much less.
 */
import type { PeerName, RunningPeer } from './peers/peer.ts';

/** Peers, and what is compared with Entrepot in single rows. */
export type Tool = PeerName | 'skopeo' | 'regsync' | 'aws-sdk' | 'zot';

export type Unit = 'ms' | 'MB/s' | '/s' | 'requests' | 'times' | 'MiB' | '%' | 'points';

export interface Line {
  readonly row: string;
  readonly what: string;
  readonly unit: Unit;
  /** Medians. A peer that is not there, or cannot do it, has none. */
  readonly values: Readonly<Partial<Record<Tool, number>>>;
  /** What Entrepot is held to. */
  readonly goals?: readonly Goal[];
  /** What has to be known to read the figures. */
  readonly note?: string;
}

export type Goal =
  /** At least so many times as good as this peer. */
  | { readonly against: Tool; readonly atLeast: number }
  /** A bound of its own. */
  | { readonly atMost: number };

const lessIsBetter: Readonly<Record<Unit, boolean>> = {
  ms: true,
  'MB/s': false,
  '/s': false,
  requests: true,
  times: true,
  MiB: true,
  '%': false,
  points: true,
};

/** How many times as good as `peer` Entrepot is; above 1 is better, whatever the unit. */
export function ratio({ values, unit }: Line, peer: Tool): number | undefined {
  const { entrepot } = values;
  const other = values[peer];
  if (entrepot === undefined || other === undefined || entrepot === 0 || other === 0) return undefined;
  return lessIsBetter[unit] ? other / entrepot : entrepot / other;
}

/** Undefined where nothing is promised, or there is nobody to compare with. */
export function isMet(line: Line): boolean | undefined {
  const verdicts = (line.goals ?? []).map((goal) => {
    const { entrepot } = line.values;
    if ('atMost' in goal) return entrepot === undefined ? undefined : entrepot <= goal.atMost;
    const times = ratio(line, goal.against);
    return times === undefined ? undefined : times >= goal.atLeast;
  });
  const known = verdicts.filter((verdict) => verdict !== undefined);
  return known.length === 0 ? undefined : known.every((verdict) => verdict);
}

/** Figures of one piece of work, by name. */
export type Figures<Name extends string> = Readonly<Record<Name, number | undefined>>;

/** Medians by figure and peer. `work` is told its turn: 0 is the warm-up. */
export async function alternate<Name extends string>(
  peers: readonly RunningPeer[],
  turns: number,
  work: (peer: RunningPeer, turn: number) => Promise<Figures<Name>>,
): Promise<Record<Name, Partial<Record<PeerName, number>>>> {
  const seen = new Map<string, Map<PeerName, number[]>>();
  for (let turn = 0; turn <= turns; turn += 1) {
    for (let place = 0; place < peers.length; place += 1) {
      const peer = peers[(turn + place) % peers.length] as RunningPeer;
      const figures = await work(peer, turn);
      if (turn === 0) continue;
      for (const [name, value] of Object.entries<number | undefined>(figures)) {
        const byPeer = seen.get(name) ?? new Map<PeerName, number[]>();
        seen.set(name, byPeer);
        if (value !== undefined) byPeer.set(peer.name, [...(byPeer.get(peer.name) ?? []), value]);
      }
    }
  }
  const medians = [...seen].map(([name, byPeer]) => [
    name,
    Object.fromEntries([...byPeer].map(([peer, values]) => [peer, median(values)])),
  ]);
  return Object.fromEntries(medians) as Record<Name, Partial<Record<PeerName, number>>>;
}

/** Milliseconds that it takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
