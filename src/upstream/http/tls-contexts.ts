/**
 * What TLS connections trust and show: Node's and the system's CAs, `upstream.ca_file`, and what certs.d has for the host, or for
 * the registry that sent us to the host. `client-pairs.ts` says why there may be several sets of client certificates.
 */
import tls, { type SecureContext } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { CertLookup } from '../../config/files/certs-d.ts';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { reasonOf } from '../../lib/thrown.ts';
import { pairSets } from './client-pairs.ts';
import type { Route } from './route.ts';

export interface TlsContexts {
  /** For hosts that certs.d has nothing for. */
  plain(): SecureContext;
  /** For the connections of one pool. Throws EntrepotError TLS_UNUSABLE if the host's certificates cannot be used. */
  of(route: Route, poolKey: string): SecureContext;
  /** After a refused handshake. Whether `of` now shows other client certificates than all that it has shown since the last success. */
  next(poolKey: string): boolean;
}

const maxPools = 512;

/** Reads certs.d at each `of`, so that a renewed certificate is used by the next pool. */
export function createTlsContexts(deps: {
  certLookup: CertLookup;
  clock: Clock;
  /** PEM of additional CAs for every host. */
  extraCa: readonly string[];
  /** PEM of CAs that are trusted in place of Node's and the system's. */
  roots?: readonly string[] | undefined;
}): TlsContexts {
  const { certLookup, clock, extraCa } = deps;
  /** By pool: how many sets of client certificates there are, and which is shown. */
  const shown = new LRUCache<string, { sets: number; turn: number }>({ max: maxPools });
  let knownRoots: readonly string[] | undefined;
  let knownPlain: SecureContext | undefined;

  function roots(): readonly string[] {
    const usual = () => [...tls.getCACertificates('default'), ...tls.getCACertificates('system')];
    knownRoots ??= [...new Set([...(deps.roots ?? usual()), ...extraCa])];
    return knownRoots;
  }

  /** Reading some hundred roots takes a while: one context serves all hosts that need no more. */
  function plain(): SecureContext {
    knownPlain ??= tls.createSecureContext({ ca: [...roots()], allowPartialTrustChain: true });
    return knownPlain;
  }

  return {
    plain,

    of({ name, certificatesOf }, poolKey) {
      const own = certLookup(name);
      const others =
        certificatesOf && certificatesOf.registry !== name ? certLookup(certificatesOf.registry) : undefined;
      const ca = [...own.ca, ...(others?.ca ?? [])];
      const pairs = own.pairs.length > 0 || !certificatesOf?.withPairs ? own.pairs : (others?.pairs ?? []);
      if (ca.length === 0 && pairs.length === 0) return plain();
      try {
        const sets = pairSets(pairs, clock.now());
        const turn = (shown.get(poolKey)?.turn ?? 0) % sets.length;
        const set = sets[turn] ?? [];
        if (sets.length > 1) shown.set(poolKey, { sets: sets.length, turn });
        return tls.createSecureContext({
          ca: [...roots(), ...ca],
          allowPartialTrustChain: true,
          ...(set.length > 0 && { cert: set.map(({ cert }) => cert), key: set.map(({ key }) => key) }),
        });
      } catch (cause) {
        const message = `the certificates for ${name} cannot be used: ${reasonOf(cause)}`;
        throw new EntrepotError('TLS_UNUSABLE', message, { file: own.directory ?? others?.directory, cause });
      }
    },

    next(poolKey) {
      const last = shown.get(poolKey);
      if (!last) return false;
      const turn = (last.turn + 1) % last.sets;
      shown.set(poolKey, { ...last, turn });
      return turn > 0;
    },
  };
}
