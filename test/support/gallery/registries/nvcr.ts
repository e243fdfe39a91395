import type { Personality } from '../personality.ts';

export const nvcr: Personality = {
  name: 'NVCR',
  sources: [
    'NVIDIA/nvidia-container-toolkit#1945',
    'https://docs.nvidia.com/ngc/gpu-cloud/ngc-catalog-user-guide/',
  ],
  assumed: [
    'the realm of the first challenge has the scope in its query',
    'missing repositories are refused with 401',
  ],
  access: {
    kind: 'bearer',
    account: false,
    realm: '/proxy_auth?scope=repository:team/app:pull',
    scope: 'none',
    lifetime: 600,
    tellsLifetime: false,
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'token expired', otherRealm: true },
  },
  forbidden: { status: 401, code: 'UNAUTHORIZED', message: 'Authentication required' },
  unknownRepository: 'asForbidden',
  blobs: { redirect: { to: 'storage', status: 307 }, signedForGetOnly: true, digestHeader: false },
  tags: { page: 10, link: 'relative' },
  referrers: 'tag',
};
