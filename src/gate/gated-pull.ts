/**
 * A pull whose manifests have passed the gates, however they came: fetched, cached, hosted, or stale. Blobs are not checked: a client
 * knows the digest of one from a manifest that passed, and a layer alone does not run; it may belong to many images.
 */
import type { Pull, Pulled } from '../pull/pull.ts';
import type { ManifestTarget } from '../routing/target.ts';
import type { GatedImage, Gates } from './gates.ts';

/** All other methods are those of `pull`. */
export function createGatedPull(pull: Pull, gates: Gates): Pull {
  async function refusal(
    image: GatedImage,
  ): Promise<(Pulled<never> & { readonly found: false }) | undefined> {
    const verdict = await gates.verdict(image);
    if (verdict.allowed) return undefined;
    const { gate, rule, reason } = verdict;
    return { found: false, verdict: { kind: 'refused', gate, rule, reason }, trail: [] };
  }

  return {
    ...pull,
    async manifest(target: ManifestTarget) {
      const pulled = await pull.manifest(target);
      if (!pulled.found) return pulled;
      return (await refusal({ ...pulled.value, reference: target.reference })) ?? pulled;
    },
    async ensure(target, options) {
      if (target.kind === 'blob') return pull.ensure(target, options);
      // A manifest that is refused stays in the cache: nothing is served of it, and the next check need not fetch it.
      const pulled = await pull.manifest(target);
      const refused = pulled.found
        ? await refusal({ ...pulled.value, reference: target.reference })
        : undefined;
      if (refused?.verdict.kind !== 'refused') return pull.ensure(target, options);
      const { verdict } = refused;
      const reason = `the gate "${verdict.gate}" refuses it: ${verdict.rule}: ${verdict.reason}`;
      return { ok: false, how: 'missing', reason, verdict, trail: [] };
    },
  };
}
