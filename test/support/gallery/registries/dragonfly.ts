import type { Personality } from '../personality.ts';

export const dragonfly: Personality = {
  name: 'Dragonfly',
  sources: ['dragonflyoss/client#1874', 'dragonflyoss/client#1959', 'dragonflyoss/client#1889'],
  assumed: ['the registry behind it needs no account'],
  access: { kind: 'open' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { ranges: 'marked200', digestHeader: false },
  referrers: 'tag',
};
