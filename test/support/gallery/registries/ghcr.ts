import type { Personality } from '../personality.ts';

export const ghcr: Personality = {
  name: 'GHCR',
  sources: ['openai/tunnel-client#75', 'apple/container#183', 'orgs/community#45969', 'getwud/wud#143'],
  assumed: [
    'the limit comes with a Retry-After header; that its words have one is known',

    'the token server says 403 to an account for a package that it may not read, and for one that does not exist',
  ],
  access: {
    kind: 'bearer',
    account: true,
    realm: '/token',
    service: 'ghcr.io',
    lifetime: 300,
    tellsLifetime: false,
    refusesScope: 403,
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  },
  forbidden: { status: 403, code: 'DENIED', message: 'permission_denied: read_package' },
  unknownRepository: 'asForbidden',
  blobs: { redirect: { to: 'storage', status: 307 }, signedForGetOnly: true, digestHeader: false },
  tags: { page: 10, link: 'relative' },
  referrers: 'tag',
  tooMany: {
    status: 429,
    code: 'TOOMANYREQUESTS',
    message: 'retry-after: 1.5ms, allowed: 44000/minute',
    headers: { 'retry-after': '2' },
  },
};
