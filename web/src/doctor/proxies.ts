// What proxies do to streams and what mends it: the server's own document, `docs/proxies.json`, carried in the page.
//
// Must never say anything of a proxy that does not stand there.

import known from '../../../docs/proxies.json'

export interface Proxy {
  id: string
  name: string
}

interface Trouble {
  check: string
  meaning: string
  mend: Record<string, string>
}

export const PROXIES: readonly Proxy[] = known.proxies

const TROUBLES: readonly Trouble[] = known.troubles

/** What a trouble means for readers. */
export function meaningOf(check: string): string {
  return TROUBLES.find((trouble) => trouble.check === check)?.meaning ?? ''
}

/** The lines of a proxy's configuration that mend it. */
export function mendOf(check: string, proxy: string): string {
  return TROUBLES.find((trouble) => trouble.check === check)?.mend[proxy] ?? ''
}

/** Who answered, as far as the head gives it away. */
export function guess(headers: Headers): string | undefined {
  const says = (header: string, word: string) => headers.get(header)?.toLowerCase().includes(word)
  return known.signs.find(({header, contains}) => says(header, contains))?.proxy
}
