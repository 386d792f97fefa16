import {render} from 'preact'
import {App} from './app'
import './style/tokens.css'
import './style/base.css'
import './style/console.css'
import './style/dashboard.css'
import './style/reference.css'
import './style/doctor.css'

const root = document.getElementById('app')
if (root) render(<App />, root)
