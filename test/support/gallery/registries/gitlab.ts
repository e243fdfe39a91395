import type { Personality } from '../personality.ts';

export const gitlab: Personality = {
  name: 'GitLab',
  sources: [
    'oras-project/oras-go#1396',
    'https://docs.gitlab.com/administration/packages/container_registry/',
    'https://docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry/',
  ],
  assumed: ['a project that one may not read and one that does not exist give the same 401'],
  access: {
    kind: 'bearer',
    account: true,
    realm: '/jwt/auth',
    service: 'container_registry',
    lifetime: 300,
    tellsLifetime: false,
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  },
  forbidden: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  unknownRepository: 'asForbidden',
  blobs: { redirect: { to: 'storage', status: 307 }, signedForGetOnly: true, digestHeader: false },
  tags: { page: 10, link: 'absolute' },
  referrers: 'subject',
};
