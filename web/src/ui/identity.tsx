// The choice of an identity: one of those in memory, or a new token that is pasted.

import {useState} from 'preact/hooks'
import {identities, identity, paste} from '../lib/identity'
import {Choice, Text} from './parts'

const PASTE = 'paste'

interface Props {
  label?: string
  value: string
  onValue: (key: string) => void
  disabled?: boolean
}

export function IdentityChoice({label = 'As', value, onValue, disabled = false}: Props) {
  const [pasting, setPasting] = useState(false)
  const [token, setToken] = useState('')
  const options = [
    ...identities.value.map(({key, label}) => ({value: key, label})),
    {value: PASTE, label: 'Paste a token …'},
  ]
  const choose = (key: string) => {
    setPasting(key === PASTE)
    if (key !== PASTE) onValue(key)
  }
  const take = (event: Event) => {
    event.preventDefault()
    if (!token.trim()) return
    onValue(paste(token))
    setToken('')
    setPasting(false)
  }
  return (
    <div class="identity">
      <Choice label={label} value={pasting ? PASTE : identity(value).key} options={options} onValue={choose} disabled={disabled} />
      {pasting && (
        <form class="paste" onSubmit={take}>
          <Text label="Token" secret value={token} onValue={setToken} placeholder="JWT or demo token" mono />
          <button type="submit" disabled={!token.trim()}>
            Use it
          </button>
          <p class="hint">Kept in this page's memory until it is closed, and nowhere else.</p>
        </form>
      )}
    </div>
  )
}
