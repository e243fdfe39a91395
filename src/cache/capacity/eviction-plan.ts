/**
 * Decides what of a batch is evicted: on a copy of the order in memory, so that the index is asked a few times per batch, and
 * nothing has happened to it if the decision is to evict nothing.
 *
 * The next root is always the one with the oldest *effective use*: the latest use of the root and of what only it references.
 * When it goes, what it alone listed goes too, unless that is protected or was used later; then it is a root itself.
 */
import type { Digest } from '../../oci/digest.ts';
import type { Batch, Candidate, Position, Use } from '../index/eviction-order.ts';

/** A candidate in the plan. */
export interface Planned {
  readonly digest: Digest;
  /** Bytes; undefined where the content is only referenced. */
  readonly size: number | undefined;
  /** Last use as the index has it, epoch ms: what the command compares with. */
  readonly known: number;
}

export interface PlanRules {
  /** Last use that counts, epoch ms: never later than now, and with uses that the index does not know yet. */
  readonly lastUse: (digest: Digest, used: number) => number;
  /** May not go: in use, pinned, or outside the quota that is searched. Asked once about each content, some at a time. */
  readonly protectedOf: (digests: readonly Digest[]) => Promise<ReadonlySet<Digest>>;
}

interface Node extends Planned {
  /** Last use that counts, epoch ms. */
  readonly used: number;
  /** Manifests that list it and stay. */
  parents: number;
  readonly children: readonly Digest[];
  isGone: boolean;
}

interface Open {
  readonly node: Node;
  readonly use: number;
}

export class EvictionPlan {
  readonly #rules: PlanRules;
  readonly #nodes = new Map<Digest, Node>();
  /** In the order of the index. */
  readonly #roots: { readonly node: Node; readonly position: Position }[] = [];
  /** Roots that may go, by a lower bound of their effective use: that only grows while other contents go. */
  readonly #open: Open[] = [];
  readonly #chosen: Planned[] = [];

  constructor(rules: PlanRules) {
    this.#rules = rules;
  }

  /** What goes, parents before what they list. */
  get chosen(): readonly Planned[] {
    return this.#chosen;
  }

  async add(batch: Batch): Promise<void> {
    const isProtected = await this.#rules.protectedOf(batch.roots.map(({ digest }) => digest));
    for (const one of [...batch.below, ...batch.roots]) this.#know(one);
    for (const { digest, position } of batch.roots) {
      const node = this.#nodes.get(digest);
      if (!node) continue;
      this.#roots.push({ node, position });
      if (!isProtected.has(digest)) this.#insert(node);
    }
  }

  /** The oldest effective use among the roots that may go, epoch ms; undefined where there is none. */
  oldest(): number | undefined {
    for (let first = this.#open[0]; first; first = this.#open[0]) {
      const use = effectiveUse(this.#nodes, first.node);
      if (use === first.use) return use;
      this.#open.shift();
      this.#insert(first.node);
    }
    return undefined;
  }

  /**
   * Chooses the root with the oldest effective use and what goes with it, until `limit` contents are chosen in all. Gives their bytes.
   * Contents beyond the limit stay behind as the oldest roots of all: then `isCut`.
   */
  async choose(limit: number): Promise<{ readonly bytes: number; readonly isCut: boolean }> {
    const time = this.oldest();
    const root = this.#open.shift();
    let bytes = 0;
    for (let going = root ? [root.node] : []; time !== undefined && going.length > 0; ) {
      const orphans: Node[] = [];
      for (const node of going) {
        if (this.#chosen.length >= limit) return { bytes, isCut: true };
        node.isGone = true;
        this.#chosen.push(node);
        bytes += node.size ?? 0;
        orphans.push(...this.#orphansOf(node));
      }
      going = await this.#goingAlong(orphans, time);
    }
    return { bytes, isCut: false };
  }

  /** Effective uses that are later than the index knows. */
  moved(): Use[] {
    const uses = this.#open.map(({ node }) => [node, effectiveUse(this.#nodes, node)] as const);
    return uses.filter(([{ known }, use]) => use > known).map(([{ digest }, use]) => [digest, use]);
  }

  /** Where the search goes on, once moved roots are where they belong: before the first root that may still go. */
  position(before: Position | undefined): Position | undefined {
    const next = this.oldest() ?? Number.POSITIVE_INFINITY;
    let last = before;
    for (const { node, position } of this.#roots) {
      if (node.known >= next) break;
      last = position;
    }
    return last;
  }

  #know({ digest, size, used, parents, children }: Candidate): void {
    if (this.#nodes.has(digest)) return;
    const lastUse = this.#rules.lastUse(digest, used);
    this.#nodes.set(digest, { digest, size, known: used, used: lastUse, parents, children, isGone: false });
  }

  #insert(node: Node): void {
    const use = effectiveUse(this.#nodes, node);
    let [from, to] = [0, this.#open.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#open[middle]?.use ?? 0) <= use) from = middle + 1;
      else to = middle;
    }
    this.#open.splice(from, 0, { node, use });
  }

  /** What only `parent` listed. */
  #orphansOf(parent: Node): Node[] {
    const orphans: Node[] = [];
    for (const digest of parent.children) {
      const child = this.#nodes.get(digest);
      if (!child) continue;
      child.parents -= 1;
      if (child.parents === 0) orphans.push(child);
    }
    return orphans;
  }

  async #goingAlong(orphans: readonly Node[], time: number): Promise<Node[]> {
    const isProtected = await this.#rules.protectedOf(orphans.map(({ digest }) => digest));
    const free = orphans.filter(({ digest }) => !isProtected.has(digest));
    for (const orphan of free) if (orphan.used > time) this.#insert(orphan);
    return free.filter(({ used }) => used <= time);
  }
}

/** Latest use of a root and of what it alone references, directly or through manifests that only it lists. Epoch ms. */
function effectiveUse(nodes: ReadonlyMap<Digest, Node>, root: Node): number {
  let latest = root.used;
  const visit = [root];
  for (let node = visit.pop(); node; node = visit.pop()) {
    latest = Math.max(latest, node.used);
    for (const digest of node.children) {
      const child = nodes.get(digest);
      if (child && child.parents === 1 && !child.isGone) visit.push(child);
    }
  }
  return latest;
}
