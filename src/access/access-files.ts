/** Files of access control in the data folder. */
export const accessFiles = { robots: 'access/robots.json', keys: 'access/token-keys.json' } as const;
