import type { Personality } from '../personality.ts';

export const dockerHub: Personality = {
  name: 'Docker Hub',
  sources: [
    'distribution/distribution#1589',
    'docker/docs#11662',
    'https://docs.docker.com/docker-hub/usage/pulls/',
    'https://distribution.github.io/distribution/spec/auth/token/',
  ],
  assumed: ['a tag list comes in pages of 100 at most; the page here is smaller'],
  access: {
    kind: 'bearer',
    account: false,
    realm: '/token',
    service: 'registry.docker.io',
    lifetime: 300,
    field: 'both',
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  },
  forbidden: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  unknownRepository: 'asForbidden',
  blobs: { redirect: { to: 'storage', status: 307 }, digestHeader: false },
  tags: { page: 10, link: 'relative' },
  referrers: 'tag',
  headers: {
    'ratelimit-limit': '100;w=21600',
    'ratelimit-remaining': '98;w=21600',
    'docker-ratelimit-source': '192.0.2.1',
  },
  tooMany: {
    status: 429,
    code: 'TOOMANYREQUESTS',
    message: 'You have reached your unauthenticated pull rate limit.',
  },
};
