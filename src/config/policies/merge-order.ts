/**
 * Several lists of mirrors of one source -> one list that keeps the order of each, if that is possible. Neighbours in a list are edges
 * of a graph, and the source comes after the last mirror of each list that does not name it:
 *
 *   [a, b] and [c, b]  of s      a -> b -> s,  c -> b      gives  a c b        (s comes last and is left out)
 *   [a, b] and [b, a]  of s      a -> b -> a               gives  a b          (a loop is broken at the smallest name)
 *   [a, s, b]          of s      a -> s -> b               gives  a s b        (s stays, because a mirror comes after it)
 *
 * The order is that of Kahn's algorithm with a queue: first the nodes that nothing precedes, sorted; each node that is taken frees others,
 * which join the queue, sorted. With an empty queue the smallest name that is left is taken. The result depends only on the set of
 * lists. It is that of OpenShift in every case, also in those in which OpenShift promises no order.
 */

interface GraphNode {
  readonly name: string;
  readonly before: Set<GraphNode>;
  readonly after: Set<GraphNode>;
  isTaken: boolean;
}

/** The mirrors in order; the source is among them unless it comes last. No list may be empty. */
export function mergeOrder(source: string, lists: readonly (readonly string[])[]): readonly string[] {
  const nodes = new Map<string, GraphNode>();
  const nodeOf = (name: string): GraphNode => {
    const found = nodes.get(name) ?? { name, before: new Set(), after: new Set(), isTaken: false };
    nodes.set(name, found);
    return found;
  };
  for (const list of lists) {
    const path = (list.includes(source) ? list : [...list, source]).map(nodeOf);
    for (const [at, node] of path.slice(0, -1).entries()) {
      // A name twice in a row gives an edge from the node to itself, which is a loop.
      const next = path[at + 1] ?? node;
      node.after.add(next);
      next.before.add(node);
    }
  }
  const order = sorted([...nodes.values()]);
  return order.at(-1) === source ? order.slice(0, -1) : order;
}

function sorted(nodes: readonly GraphNode[]): string[] {
  const byName = nodes.toSorted(compareNames);
  const queue = byName.filter(({ before }) => before.size === 0);
  const order: string[] = [];
  const take = (node: GraphNode) => {
    if (node.isTaken) return;
    node.isTaken = true;
    order.push(node.name);
    for (const next of node.after) next.before.delete(node);
    const freed = [...node.after].filter(({ before, isTaken }) => before.size === 0 && !isTaken);
    queue.push(...freed.sort(compareNames));
  };
  const drain = () => {
    for (let node = queue.shift(); node; node = queue.shift()) take(node);
  };
  for (const smallest of byName) {
    drain();
    take(smallest);
  }
  drain();
  return order;
}

/** Names are ASCII, so code units are in the order of bytes. */
function compareNames(one: GraphNode, other: GraphNode): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
}
