// The effects of proxies on streams, and their fixes: the server's own document, `docs/proxies.json`, which is part of the page.
//
// Must never say anything about a proxy that is not in that document.

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

/** Returns the effect of a trouble on readers. */
export function meaningOf(check: string): string {
  return TROUBLES.find((trouble) => trouble.check === check)?.meaning ?? ''
}

/** Returns the lines of a proxy's configuration that fix it. */
export function fixOf(check: string, proxy: string): string {
  return TROUBLES.find((trouble) => trouble.check === check)?.mend[proxy] ?? ''
}

/** Returns the proxy that is recognised by the head of an answer, if any. */
export function guess(headers: Headers): string | undefined {
  const has = (header: string, text: string) => headers.get(header)?.toLowerCase().includes(text)
  return known.signs.find(({header, contains}) => has(header, contains))?.proxy
}
