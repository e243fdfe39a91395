/**
 * The endpoints that a configuration gives one image, computed by the code that serves clients; for `entrepot explain` and the admin API.
 * No host is contacted.
 *
 * The reference is taken as it is, without adding `:latest`: the endpoints depend on whether it has a tag or a digest.
 */
import type { ExplainedAccess } from '../access/explain-access.ts';
import type { Allowance } from '../access/rights.ts';
import { plannedPeers } from '../cluster/cluster.ts';
import { shardOf } from '../cluster/shards.ts';
import type { AccessRule, Config, PushRule } from '../config/config.ts';
import { createPushRules } from '../config/push-rules.ts';
import { findEntry, type Match } from '../config/registries-conf/match.ts';
import type { MirrorEntry, Origin } from '../config/registries-conf/registries.ts';
import { type ExplainedGate, explainGates } from '../gate/gates-for.ts';
import { formatReference, type Reference, referenceName } from '../oci/reference.ts';
import { createNamespaces } from '../routing/namespaces.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { createEndpoints, mirrorsFor } from '../upstream/endpoints.ts';
import type { Attempt } from '../upstream/outcome.ts';
import { peerEndpoint } from '../upstream/peer-endpoints.ts';

export interface Explanation {
  readonly config: Config;
  /** The argument of the command. */
  readonly given: string;
  readonly reference: Reference;
  readonly match: Match | undefined;
  /** The first [[push]] that matches the image. */
  readonly pushRule: PushRule | undefined;
  /** Those that hold for the image. */
  readonly gates: readonly ExplainedGate[];
  /** With `--as`: what that principal may do. */
  readonly access: ExplainedAccess | undefined;
  /** Why clients are refused this image; undefined if they are not. */
  readonly refusal: string | undefined;
  /** In the order in which they are asked. */
  readonly endpoints: readonly PlacedEndpoint[];
  /** Of the reference, in a cluster. */
  readonly shard: number | undefined;
  /** Mirrors of the entry that are not for this reference. */
  readonly leftOut: readonly LeftOut[];
}

export interface PlacedEndpoint {
  readonly endpoint: Endpoint;
  /** Where its location is written; undefined if no entry matches. */
  readonly origin: Origin | undefined;
  /** The object of a cluster that makes it insecure. */
  readonly insecureOrigin: Origin | undefined;
}

export interface LeftOut {
  readonly mirror: MirrorEntry;
  readonly reason: string;
}

/** `given`: what the user wrote for the reference. Throws EntrepotError REWRITE_INVALID. */
export function explanationOf(
  given: string,
  reference: Reference,
  config: Config,
): Omit<Explanation, 'access'> {
  const { registries, server } = config;
  const match = findEntry(registries, referenceName(reference));
  const endpointsOf = createEndpoints(registries, { insecureDefault: server.upstream.insecure });
  const pushRule = createPushRules(server.push)(referenceName(reference));
  const isLocal = pushRule?.mode === 'local';
  const refusal = createNamespaces(registries, server.routing, server.push).refusal(
    reference.registry,
    reference.repository,
  );
  const used = match && !isLocal ? mirrorsFor(match.entry, reference) : [];
  const { cluster } = server;
  const peers = (cluster && !isLocal && plannedPeers(cluster, reference)) || [];
  return {
    config,
    given,
    reference,
    match,
    pushRule,
    gates: explainGates(config.gates, reference),
    refusal: refusal?.message,
    shard: cluster && shardOf(reference),
    endpoints: [
      ...peers.map((peer) => ({
        endpoint: peerEndpoint(peer, reference),
        origin: undefined,
        insecureOrigin: undefined,
      })),
      // The mirrors come first, in their order; the source follows.
      ...(isLocal ? [] : endpointsOf(reference)).map((endpoint, index) => {
        const written = used[index] ?? match?.entry;
        return { endpoint, origin: written?.origin, insecureOrigin: written?.insecureOrigin };
      }),
    ],
    leftOut: (isLocal ? [] : (match?.entry.mirrors ?? []))
      .filter((mirror) => !used.includes(mirror))
      .map((mirror) => ({ mirror, reason: whyLeftOut(mirror) })),
  };
}

/** The value that `explain --json` prints. `attempts`: one for each endpoint, if they were asked. */
export function explanationAsJson(
  { reference, match, refusal, endpoints, shard, pushRule, gates, access }: Explanation,
  attempts?: readonly Attempt[],
): object {
  return {
    reference: formatReference(reference),
    prefix: match?.entry.prefix ?? null,
    blocked: match?.entry.blocked ?? false,
    refused: refusal === undefined ? null : 'unlisted',
    endpoints: endpoints.map(({ endpoint, origin }, index) => ({
      reference: formatReference(endpoint.reference),
      host: endpoint.host,
      location: endpoint.location,
      role: endpoint.role,
      insecure: endpoint.insecure,
      blocked: endpoint.blockedBy !== undefined,
      ...(origin?.object && { from: { ...origin.object, file: origin.file, line: origin.line } }),
      ...attemptAsJson(attempts?.[index]),
    })),
    ...(shard !== undefined && { shard }),
    ...(pushRule && { push: pushRule }),
    ...(gates.length > 0 && { gates }),
    ...(access && { access: accessAsJson(access, pushRule) }),
  };
}

/** `allowed`: by the rights. `admitted`: whether the image's [[push]] takes it, which a write needs as well. */
function accessAsJson({ name, kind, ...rights }: ExplainedAccess, pushRule: PushRule | undefined): object {
  const admitted: Readonly<Record<string, boolean>> = {
    push: pushRule !== undefined,
    delete: pushRule?.delete ?? false,
  };
  const decided = Object.entries(rights).map(([right, allowance]: [string, Allowance | undefined]) => [
    right,
    {
      allowed: allowance !== undefined,
      by: allowance?.by ?? null,
      rule: ruleOf(allowance) ?? null,
      ...(right in admitted && { admitted: admitted[right] }),
    },
  ]);
  return { name, kind, ...Object.fromEntries(decided) };
}

/** The rule that allows it, if one does. */
export function ruleOf(allowance: Allowance | undefined): AccessRule | undefined {
  return allowance?.by === 'rule' ? allowance.rule : undefined;
}

function attemptAsJson(attempt: Attempt | undefined): object {
  if (!attempt) return {};
  const { outcome, ms, reason, credentials } = attempt;
  return {
    outcome,
    ms,
    reason: reason ?? null,
    credentials: credentials
      ? {
          file: credentials.file ?? null,
          key: credentials.key,
          ...(credentials.helper !== undefined && { helper: credentials.helper }),
        }
      : null,
  };
}

function whyLeftOut({ pullFromMirror }: MirrorEntry): string {
  switch (pullFromMirror) {
    case 'all':
      return 'mirror-by-digest-only = true, and this reference has no digest';
    case 'digest-only':
      return 'pull-from-mirror = "digest-only", and this reference has no digest';
    case 'tag-only':
      return 'pull-from-mirror = "tag-only", and this reference has a digest';
  }
}
