/** English: what stands on every page, signing in, and refusals. */

export const frame = {
  product: 'Entrepot',
  skip: 'Skip to content',
  navigation: 'Pages',
  menu: 'Menu',
  theme: 'Theme',
  themes: { auto: 'Auto', light: 'Light', dark: 'Dark' },
  signIn: 'Sign in',
  signOut: 'Sign out',
  signedInAs: (name: string) => `Signed in as ${name}`,
  readOnly: 'You can look, not change',
  utc: 'All times are UTC.',
  live: {
    on: 'Live',
    paused: 'Paused',
    lost: 'Reconnecting',
    pause: 'Pause updates',
    resume: 'Resume updates',
  },
  problem: 'That did not work',
};

export const signIn = {
  title: 'Sign in',
  lead: 'The dashboard is for accounts that may administer this server.',
  account: 'Account',
  password: 'Password or token',
  submit: 'Sign in',
  otherway: 'No account at hand? On the machine of the server, run',
  command: 'entrepot dashboard',
  otherwayEnd: 'It prints an address that signs you in.',
  noAccounts: 'To change things, sign in from the machine of the server. Run there',
  code: 'Sign in with the code of this address. It works once.',
  codeSubmit: 'Continue',
  codeWrong: 'This code was used, or is older than a minute. Run "entrepot dashboard" again.',
  wrong: 'No account or token has this name and password.',
  busy: 'Too many sign-ins are being checked. Try again in a few seconds.',
  unavailable: 'The issuer of this token cannot be asked now. Try again later.',
  notAllowed: (name: string) =>
    `${name} may not administer this server. A rule in entrepot.toml can allow it: [[access.rule]] who = ["${name}"], may = ["administer"].`,
};

export const refused = {
  title: 'Not allowed',
  tooLarge: 'This form is too large.',
  notFound: 'There is no such page.',
  failed: 'The page could not be made. The log of the server says why.',
};
