/**
 * What is known of hosts whatever the configuration says. The app makes one memory and hands it to each `createUpstream`, so a
 * reload, such as that for a renewed certificate, forgets none of it.
 *
 *   survives a reload                                     begins anew with each configuration
 *   until when a host that said 429 is not asked          tokens, and credentials that were refused: they may be others now
 *   what `ratelimit-*` headers said last                  connections, with their certificates and proxies
 *   breakers and usual times of hosts and repositories    HTTPS or HTTP of a host that is marked insecure
 *   addresses of names                                    which hosts answer HEAD worse than GET
 *                                                         absences (pull/): other endpoints may have the content
 */
import { createHostRecords, type HostRecords } from './health/host-record.ts';
import { createRateLimits, type RateLimits } from './health/rate-limits.ts';
import { createLookups, type Lookups, type LookupsDeps } from './http/lookups.ts';

export interface UpstreamMemory {
  readonly rateLimits: RateLimits;
  readonly hosts: HostRecords;
  readonly lookups: Lookups;
}

/** An empty memory. */
export function createUpstreamMemory(deps: LookupsDeps): UpstreamMemory {
  return {
    rateLimits: createRateLimits(deps.clock),
    hosts: createHostRecords(),
    lookups: createLookups(deps),
  };
}
