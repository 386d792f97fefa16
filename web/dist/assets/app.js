var e,t,n,r,i,a,o,s,c,l,u,d=Symbol.for(`pv`),f={},p=[],m=/^m(i|n|o|s|text|space)$/,h=Array.isArray,g=p.slice,_=Object.assign;function v(e){e&&e.parentNode&&e.remove()}function y(e,t,n){var r,i,a,o={},s=arguments.length;for(a in t)a==`key`?r=t[a]:a==`ref`&&typeof e!=`function`?i=t[a]:o[a]=t[a];return s>2&&(o.children=s>3?g.call(arguments,2):n),b(e,o,r,i,null)}function b(n,r,i,a,o){var s={type:n,props:r,key:i,ref:a,__k:null,__:null,__b:0,__e:null,__c:null,constructor:d,__v:o||++t,__i:-1,__u:0};return!o&&e.vnode&&e.vnode(s),s}function x(e){return e.children}function S(e,t){this.props=e,this.context=t,this.__g=0}function C(e,t){if(t==null)return e.__&&C(e.__,e.__i+1);for(var n;t<e.__k.length;t++)if((n=e.__k[t])&&n.__e)return n.__e;return typeof e.type!=`function`||e.props.__P?null:C(e)}function w(t){var n,r=t.__v,i=r.__e,a=[],o=[],s=t.__P;s&&((n=_({constructor:d},r)).__v=r.__v+1,e.vnode&&e.vnode(n),ie(s,n,r,t.__n,s.namespaceURI,32&r.__u?[i]:null,a,i||C(r),32&r.__u,o),n.__v=r.__v,n.__.__k[n.__i]=n,j(a,n,o),r.__=r.__e=null,n.__e!=i&&T(n))}function T(e){if((e=e.__)&&e.__c&&!e.props.__P)return e.__e=null,e.__k.some(function(t){return t&&(e.__e=t.__e)}),T(e)}function E(t){(8&t.__g||(t.__g|=8,r.push(t),a++))&&i==e.debounceRendering||((i=e.debounceRendering)||queueMicrotask)(D)}function D(){try{for(var e,t=1;r.length;)r.length>t&&r.sort(o),e=r.shift(),t=r.length,8&e.__g&&w(e)}finally{(a=r.length)&&(i||queueMicrotask)(D)}}function O(e,t,n,r,i,a,o,s,c,l,u){var d,m,h,g,_,v,y=r.__k||p,b=t.length;for(c=k(n,t,y,c,b),d=0;d<b;d++)(h=n.__k[d])!=null&&(m=~h.__i&&y[h.__i]||f,h.__i=d,v=ie(e,h,m,i,a,o,s,c,l,u),g=h.__e,(m.ref!=h.ref||8&m.__u)&&(m.ref&&N(m.ref,null,h,m),h.ref&&u.push(h.ref,h.__c||g,h)),_||=g,4&h.__u?(c=ee(h,c,e,!m.__v),m.__e&&(m.__e=null)):typeof h.type==`function`&&v!==void 0?c=v:g&&(c=g.nextSibling),h.__u&=-21);return n.__e=_,c}function k(e,t,n,r,i){var a,o,s,c,l,u,f,p,m,g=n.length,_=g,v=0,y=0,S=e.__k=Array(i);for(a=0;a<i;a++)(o=t[a])!=null&&typeof o!=`boolean`&&typeof o!=`function`?(typeof o!=`object`||o.constructor===String?o=S[a]=b(null,o):h(o)?o=S[a]=b(x,{children:o}):o.constructor===d&&o.__b?o=S[a]=b(o.type,o.props,o.key,o.ref,o.__v):S[a]=o,c=a+v,o.__=e,o.__b=e.__b+1,s=null,~(l=o.__i=A(o,n,c,_))&&(_--,(s=n[l])&&(s.__u|=2)),s&&s.__v?(o.__u|=16,l==c-1?v--:l==c+1?v++:l!=c&&(l>c?v--:v++,y=1)):(~l||(i>g?v--:i<g&&v++),typeof o.type!=`function`&&(o.__u|=4))):S[a]=null;if(y){for(u=[],f=[],a=0;a<i;a++)if((o=S[a])&&16&o.__u){for(v=0,p=u.length;v<p;)u[m=v+p>>1]<o.__i?v=m+1:p=m;u[v]=o.__i,f[a]=v+1}for(v=u.length;a--;)f[a]&&(f[a]==v?v--:S[a].__u|=4)}if(_)for(a=0;a<g;a++)!(s=n[a])||2&s.__u||(s.__e==r&&(r=C(s)),se(s,s));return r}function ee(e,t,n,r){var i,a,o,s;if(typeof e.type==`function`){if(e.props.__P)return t;if(i=e.__k)for(a=0;a<i.length;a++)i[a]&&(i[a].__=e,t=ee(i[a],t,n,!1));return t}for(t&&!t.parentNode&&(t=C(e))&&!t.parentNode&&(t=null),o=e.__e,s=t;s&&s.nodeType==8;)s=s.nextSibling;for(o!=s&&(!r&&n.moveBefore&&o.parentNode?n.moveBefore(o,t):n.insertBefore(o,t||null)),t=o;(t&&=t.nextSibling)&&t.nodeType==8&&!t.data.startsWith(`$s`););return t}function A(e,t,n,r){var i,a=e.key,o=e.type,s=t[n],c=s&&!(2&s.__u);if(s===null&&a==null||c&&a==s.key&&o==s.type)return n;if(r>+!!c){for(i=n-1;i>=0;i--)if((s=t[i])&&!(2&s.__u)&&a==s.key&&o==s.type)return i;for(i=n+1;i<t.length;i++)if((s=t[i])&&!(2&s.__u)&&a==s.key&&o==s.type)return i}return-1}function te(e,t,n){n??=``,t[0]==`-`?e.setProperty(t,n):e[t]=n}function ne(e,t,n,r,i){var a,o;if(t==`style`){if(typeof n==`string`)e.style.cssText=n;else{if(typeof r==`string`&&(e.style.cssText=r=``),r)for(t in r)n&&t in n||te(e.style,t);if(n)for(t in n)r&&n[t]==r[t]||te(e.style,t,n[t])}}else if(t[0]==`o`&&t[1]==`n`)typeof n!=`function`&&(n=null),typeof r!=`function`&&(r=null),(e.__e||={})[t]=n,n&&r||(o=u[t]||(u[t]=re(t)),(e.__a||={})[t]=l,a=t!=(t=t.replace(c,`$1`)),(t=t.slice(2))[0]<`a`&&(t=t.toLowerCase()),n?e.addEventListener(t,o,a):e.removeEventListener(t,o,a));else{if(i==`http://www.w3.org/2000/svg`)t=t.replace(/xlink(H|:h)/,`h`).replace(/sName$/,`s`);else if(t!=`width`&&t!=`height`&&t!=`href`&&t!=`list`&&t!=`form`&&t!=`tabIndex`&&t!=`download`&&t!=`rowSpan`&&t!=`colSpan`&&t!=`role`&&t!=`popover`&&t in e)try{e[t]=n??``;return}catch{}if(typeof n==`function`)return;n==null||!1===n&&t[4]!=`-`?e.removeAttribute(t):e.setAttribute(t,t==`popover`&&n==1?``:n)}}function re(t){return function(n){var r=this.__e;if(r){if(r=r[t],n[s]==null)n[s]=l++;else if(n[s]<this.__a[t])return;return r(e.event?e.event(n):n)}}}function ie(t,n,r,i,a,o,s,c,l,u){var f,m,g,y,b,w,T,E,D,k,ee,A,te,ne,re,ie,j,N,F=n.type;if(n.constructor!==d)return null;128&r.__u&&(l=32&r.__u,f=r.__c.__z)&&(n.__u|=l,m=o=[],f.nodeType==8?c=ae(f,o):o.push(f),c=o[0]||c),(f=e.__b)&&f(n);n:if(typeof F==`function`){g=s.length;try{if(E=n.props,D=(f=F.prototype)&&f.render,k=(f=F.contextType)&&i[f.__c],ee=f?k?k.props.value:f.__:i,(y=r.__c)?(n.__c=y,2&y.__g&&(y.__g|=1)):(D?n.__c=y=new F(E,ee):(n.__c=y=new S(E,ee),y.constructor=F,y.render=P),k&&k.sub(y),y.state||(y.state={}),y.__n=i,y.__g|=8,y.__h=[],y.__k=[]),D&&(y.__s||(y.__s=y.state),F.getDerivedStateFromProps&&(y.__s==y.state&&(y.__s=_({},y.__s)),_(y.__s,F.getDerivedStateFromProps(E,y.__s)))),b=y.props,w=y.state,y.__v=n,r.__c){if(E!==b&&D&&!F.getDerivedStateFromProps&&y.componentWillReceiveProps&&y.componentWillReceiveProps(E,ee),n.__v==r.__v&&!(8&y.__g)||!(4&y.__g)&&y.shouldComponentUpdate&&!1===y.shouldComponentUpdate(E,y.__s,ee)){n.__v!=r.__v&&(y.props=E,y.state=y.__s,y.__g&=-9),n.__e=r.__e,n.__k=r.__k,n.__k.some(function(e){e&&(e.__=n)}),p.push.apply(y.__h,y.__k),y.__k=[],y.__h.length&&s.push(y),c=C(r);break n}y.componentWillUpdate&&y.componentWillUpdate(E,y.__s,ee),D&&y.componentDidUpdate&&y.__h.push(function(){y.componentDidUpdate(b,w,T)})}else D&&!F.getDerivedStateFromProps&&y.componentWillMount&&y.componentWillMount(),D&&y.componentDidMount&&y.__h.push(y.componentDidMount);y.context=ee,y.props=E,y.__P=t,y.__g&=-5,A=e.__r,te=D?25:0;do y.__g&=-9,A&&A(n),f=y.render(y.props,y.state=y.__s,y.context);while(8&y.__g&&++te<25);D&&(p.push.apply(y.__h,y.__k),y.__k=[]),y.state=y.__s,y.getChildContext&&(i=_({},i,y.getChildContext())),D&&r.__c&&y.getSnapshotBeforeUpdate&&(T=y.getSnapshotBeforeUpdate(b,w)),ne=f&&f.type===x&&f.key==null?f.props.children:f,E.__P&&(f=c,a=(t=E.__P).namespaceURI,l=o=null,r.props&&r.props.__P!=t&&(r.__k.some(function(e){e&&se(e,e)}),r.__k=null),c=r.__k?C(r,0):null),c=O(t,h(ne)?ne:[ne],n,r,i,a,o,s,c,l,u),E.__P&&(n.__e=null,c=f),n.__u&=-161,m&&m.some(v),y.__h.length&&s.push(y),1&y.__g&&(y.__g&=-4)}catch(t){if(s.length=g,n.__v=null,l||o){if(t&&t.then){if(n.__u|=128|l,o){for(~(j=o.indexOf(c||void 0))||(j=o.length);(N=o[j-1])&&N.nodeType==8;)j--;for(;j<o.length;j++)if(N=o[j]){if(o[j]=null,re){if(N==ie)break}else{if(N.nodeType!=8)break;N.data.startsWith(`$s`)&&(ie=ae(re=N))}}}if(!re){for(;c&&c.nodeType==8&&c.nextSibling;)c=c.nextSibling;re=c}(f=ae(re=n.__c.__z||(n.__c.__z=re)))?(n.__e=re,c=f):n.__e=c,c&&=c.nextSibling}else o&&o.some(v)}else n.__e=r.__e;n.__k||=r.__k||[],t&&t.then||oe(n),e.__e(t,n,r)}}else c=n.__e=M(r.__e,n,r,i,a,o,s,l,u,t);return(f=e.diffed)&&f(n),c}function ae(e,t){if(e&&e.nodeType==8&&e.data.startsWith(`$s`))for(var n=1;e=e.nextSibling;){if(e.nodeType==8){if(e.data.startsWith(`$s`))n++;else if(e.data.startsWith(`/$s`)&&!--n)return e}t&&t.push(e)}}function oe(e){e&&(e.__c&&(e.__c.__g|=4),e.__k&&e.__k.some(oe))}function j(t,n,r){for(var i=0;i<r.length;)N(r[i++],r[i++],r[i++]);e.__c&&e.__c(n,t),t.some(function(n){try{t=n.__h,n.__h=[],t.some(function(e){e.call(n)})}catch(t){e.__e(t,n.__v)}})}function M(t,n,r,i,a,o,s,c,l,u){var d,p,_,y,b,x,S,w,T=r.props||f,E=n.props,D=n.type;if(D==`svg`?a=`http://www.w3.org/2000/svg`:D==`math`?a=`http://www.w3.org/1998/Math/MathML`:a||=`http://www.w3.org/1999/xhtml`,o){for(d=0;d<o.length;d++)if((b=o[d])&&(D?b.localName==D:b.nodeType==3)){t=b,o[d]=null;break}}if(!t){if(w=u.ownerDocument||document,!D)return w.createTextNode(E);t=w.createElementNS(a,D,E.is?E:u),c&&=(e.__m&&e.__m(n,o),!1),o=null}if(D){if(u=D==`template`&&t.content||t,o=D==`textarea`&&E.defaultValue!=null?null:o&&g.call(u.childNodes),!c&&o)for(T={},d=0;d<t.attributes.length;d++)T[(b=t.attributes[d]).name]=b.value;for(d in T)b=T[d],d==`dangerouslySetInnerHTML`?_=b:d==`children`||d in E||d==`value`&&`defaultValue`in E||d==`checked`&&`defaultChecked`in E||ne(t,d,null,b,a);for(d in E)b=E[d],d==`children`?y=b:d==`dangerouslySetInnerHTML`?p=b:d==`value`?x=b:d==`checked`?S=b:c&&typeof b!=`function`||T[d]===b||ne(t,d,b,T[d],a);p?(c||_&&(p.__html==_.__html||p.__html==t.innerHTML)||(t.innerHTML=p.__html),n.__k=[]):(_&&(t.textContent=``),(D==`foreignObject`||a==`http://www.w3.org/1998/Math/MathML`&&m.test(D))&&(a=`http://www.w3.org/1999/xhtml`),O(u,h(y)?y:[y],n,r,i,a,o,s,o?o[0]:r.__k&&C(r,0),c,l),o&&o.some(v)),c&&D!=`textarea`||(d=`value`,D==`progress`&&x==null?t.removeAttribute(d):x==null||x===t[d]&&(D!=`progress`||x)||ne(t,d,x,T[d],a),d=`checked`,S!=null&&S!=t[d]&&ne(t,d,S,T[d],a))}else T===E||c&&t.data==E||(t.data=E);return t}function N(t,n,r,i){try{typeof t==`function`?n?n.__x=t(n)||1:(i&&=i.__c||i.__e)&&(n=i.__x)&&(i.__x=null,typeof n==`function`?n():t(null)):t.current=n}catch(t){e.__e(t,r)}}function se(t,n,r){var i,a,o,s;if(e.unmount&&e.unmount(t),!(i=t.ref)||i.current&&i.current!=t.__e||N(i,null,n,t),i=t.__c){if(i.componentWillUnmount)try{i.componentWillUnmount()}catch(t){e.__e(t,n)}i.__P=i.__n=null}if(i=t.__k)for(s=0;s<i.length;s++)i[s]&&se(i[s],n,typeof t.type!=`function`||r&&!t.props.__P);!r&&(i=t.__c)&&(i=i.__z)&&(a=ae(i,o=[]))&&(i==t.__e&&o.some(v),v(a),v(i)),r||v(t.__e),t.__e=t.__c=t.__=null}function P(e,t,n){return this.constructor(e,n)}function F(t,n){var r,i,a,o;e.__&&e.__(t,n),n.nodeType==9&&(n=n.documentElement),i=(r=t&&32&t.__u)?null:n.__k,n.__k=b(x,{children:[t]}),a=[],o=[],ie(n,n.__k,i||f,f,n.namespaceURI,i?null:n.firstChild?g.call(n.childNodes):null,a,i?i.__e:n.firstChild,r,o),j(a,n.__k,o),n.__k.props.children=null}e={__e:function(e,t,n,r){for(var i,o,s;t=t.__;)if((i=t.__c)&&!(1&i.__g)){i.__g|=4;try{if((s=(o=i.constructor)&&o.getDerivedStateFromError)&&i.setState(o.getDerivedStateFromError(e)),i.componentDidCatch&&(i.componentDidCatch(e,r||{}),s=1),s&&8&i.__g)return void(i.__g|=2)}catch(t){e=t}}throw a=0,e}},t=0,n=function(e){return e!=null&&e.constructor===d},S.prototype.setState=function(e,t){var n=this.__s;n&&n!=this.state||(n=this.__s=_({},this.state)),typeof e==`function`&&(e=e(_({},n),this.props)),e&&(_(n,e),this.__v&&(t&&this.__k.push(t),E(this)))},S.prototype.forceUpdate=function(e){this.__v&&(this.__g|=4,e&&this.__h.push(e),E(this))},S.prototype.render=x,r=[],a=0,o=function(e,t){return e.__v.__b-t.__v.__b},s=Symbol(),c=/(PointerCapture)$|Capture$/i,l=0,u={};var ce,I,le,ue,de=Object.is,fe=0,pe=[],me=[],L=e,he=L.__b,ge=L.__r,_e=L.diffed,ve=L.__c,ye=L.unmount,be=L.__;function xe(e,t){L.__h&&L.__h(I,e,fe||t),fe=0;var n=I.__H||(I.__H={__:[],__h:[]});return e>=n.__.length&&n.__.push({}),n.__[e]}function R(e){return fe=1,z(Ne,e)}function z(e,t,n){var r=xe(ce++,2);if(r.t=e,!r.__c&&(r.__=[n?n(t):Ne(void 0,t),function(e){var t=(r.__N||r.__)[0],n=r.t(t,e);de(t,n)||(r.__N=[n,r.__[1]],r.__c.setState({}))}],r.__c=I,!I.__f)){I.__f=!0;var i=I.shouldComponentUpdate;I.shouldComponentUpdate=function(e,t,n){var r=this.__H;if(!r)return!0;var a=!1,o=this.props!=e;if(r.__.some(function(e){e.__N&&(a=!0,de(e.__[0],e.__N[0])||(o=!0))}),i){var s=i.call(this,e,t,n);return a?s||o:s}return!a||o}}return r.__}function B(e,t){var n=xe(ce++,3);!L.__s&&Me(n.__H,t)&&(n.__P=!0,n.__=e,n.u=t,I.__H.__h.push(n))}function Se(e,t){var n=xe(ce++,4);!L.__s&&Me(n.__H,t)&&(n.__P=!1,n.__=e,n.u=t,I.__h.push(n))}function Ce(e){return fe=5,we(function(){return{current:e}},[])}function we(e,t){var n=xe(ce++,7);return Me(n.__H,t)&&(n.__=e(),n.__H=t),n.__}function Te(){var e=xe(ce++,11);if(!e.__){for(var t=I.__v;!t.__m&&t.__;)t=t.__;var n=t.__m||(t.__m=[0,0]);e.__=`P`+n[0]+`-`+n[1]++}return e.__}function Ee(){var e;do{for(;e=me.shift();)try{Ae(e)}catch(t){L.__e(t,{__:(e=e.__P)&&e.__v})}for(;e=pe.shift();){var t=e.__H;if(e.__P&&t)try{t.__h.some(Ae),t.__h.some(je),t.__h=[]}catch(n){t.__h=[],L.__e(n,e.__v)}}}while(me.length)}L.__b=function(e){I=null,he&&he(e)},L.__=function(e,t){e&&t.__k&&t.__k.__m&&(e.__m=t.__k.__m),be&&be(e,t)},L.__r=function(e){ge&&ge(e),ce=0;var t=(I=e.__c).__H;t&&(le==I?I.__h=[]:(t.__h.some(Ae),t.__h.some(je),ce=0),t.__h=[],t.__.some(function(e){e.__N&&(e.__=e.__N),e.u=e.__N=void 0})),le=I},L.diffed=function(e){_e&&_e(e);var t=e.__c;t&&t.__H&&(t.__H.__h.length&&ke(pe.push(t)),t.__H.__.some(function(e){e.u&&(e.__H=e.u)})),le=I=null},L.__c=function(e,t){t.some(function(e){try{e.__h.some(Ae),e.__h=e.__h.filter(function(e){return!e.__||je(e)})}catch(t){e.__h=[function(){throw t}]}}),ve&&ve(e,t)},L.unmount=function(e){ye&&ye(e);var t,n,r=e.__c;r&&r.__H&&(r.__H.__.some(function(r){try{if(r.__P&&r.__c){if(n===void 0){for(n=e.__;n&&(!n.__c||!n.__c.__P);)n=n.__;n&&=n.__c}r.__P=n,ke(me.push(r))}else Ae(r)}catch(e){t=e}}),r.__H=void 0,t&&L.__e(t,r.__v))};var De=typeof requestAnimationFrame==`function`;function Oe(e){var t,n=function(){clearTimeout(r),De&&cancelAnimationFrame(t),setTimeout(e)},r=setTimeout(n,35);De&&(t=requestAnimationFrame(n))}function ke(e){e!=1&&ue==L.requestAnimationFrame||((ue=L.requestAnimationFrame)||Oe)(Ee)}function Ae(e){var t=I,n=e.__c;typeof n==`function`&&(e.__c=void 0,n()),I=t}function je(e){var t=I;e.__c=e.__(),I=t}function Me(e,t){return!e||e.length!=t.length||t.some(function(t,n){return!de(t,e[n])})}function Ne(e,t){return typeof t==`function`?t(e):t}var Pe=Symbol.for(`preact-signals`);function Fe(){if(Be>1)Be--;else{var e,t=!1;for((function(){var e=We;for(We=void 0;e!==void 0;){var t=e.S;if(t.v===e.v)for(var n=t.t;n!==void 0;n=n.x)n.i===e.i&&(n.i=t.i);e=e.o}})();ze!==void 0;){var n=ze;for(ze=void 0,Ve++;n!==void 0;){var r=n.u;if(n.u=void 0,n.f&=-3,!(8&n.f)&&qe(n))try{n.c()}catch(n){t||=(e=n,!0)}n=r}}if(Ve=0,Be--,t)throw e}}function Ie(e){if(Be>0)return e();Ue=++He,Be++;try{return e()}finally{Fe()}}var Le,V=void 0;function Re(e){var t=V,n=Le;V=void 0,Le=void 0;try{return e()}finally{V=t,Le=n}}var ze=void 0,Be=0,Ve=0,He=0,Ue=0,We=void 0,Ge=0;function Ke(e){if(V!==void 0){var t=e.n;if(t===void 0||t.t!==V)return t={i:0,S:e,p:V.s,n:void 0,t:V,e:void 0,x:void 0,r:t},V.s!==void 0&&(V.s.n=t),V.s=t,e.n=t,32&V.f&&e.S(t),t;if(t.i===-1)return t.i=0,t.n!==void 0&&(t.n.p=t.p,t.p!==void 0&&(t.p.n=t.n),t.p=V.s,t.n=void 0,V.s.n=t,V.s=t),t}}function H(e,t){this.v=e,this.i=0,this.n=void 0,this.t=void 0,this.l=0,this.W=t?.watched,this.Z=t?.unwatched,this.name=t?.name}H.prototype.brand=Pe,H.prototype.h=function(){return!0},H.prototype.S=function(e){var t=this,n=this.t;n!==e&&e.e===void 0&&(e.x=n,this.t=e,n===void 0?Re(function(){var e;(e=t.W)==null||e.call(t)}):n.e=e)},H.prototype.U=function(e){var t=this;if(this.t!==void 0){var n=e.e,r=e.x;n!==void 0&&(n.x=r,e.e=void 0),r!==void 0&&(r.e=n,e.x=void 0),e===this.t&&(this.t=r,r===void 0&&Re(function(){var e;(e=t.Z)==null||e.call(t)}))}},H.prototype.subscribe=function(e){var t=this;return nt(function(){var n=t.value;Re(function(){return e(n)})},{name:`sub`})},H.prototype.valueOf=function(){return this.value},H.prototype.toString=function(){return this.value+``},H.prototype.toJSON=function(){return this.value},H.prototype.peek=function(){var e=this;return Re(function(){return e.value})},Object.defineProperty(H.prototype,"value",{get:function(){var e=Ke(this);return e!==void 0&&(e.i=this.i),this.v},set:function(e){if(e!==this.v){if(Ve>100)throw Error(`Cycle detected`);(function(e){Be!==0&&Ve===0&&e.l!==Ue&&(e.l=Ue,We={S:e,v:e.v,i:e.i,o:We})})(this),this.v=e,this.i++,Ge++,Be++;try{for(var t=this.t;t!==void 0;t=t.x)t.t.N()}finally{Fe()}}}});function U(e,t){return new H(e,t)}function qe(e){for(var t=e.s;t!==void 0;t=t.n)if(t.S.i!==t.i||!t.S.h()||t.S.i!==t.i)return!0;return!1}function Je(e){for(var t=e.s;t!==void 0;t=t.n){var n=t.S.n;if(n!==void 0&&(t.r=n),t.S.n=t,t.i=-1,t.n===void 0){e.s=t;break}}}function Ye(e){for(var t=e.s,n=void 0;t!==void 0;){var r=t.p;t.i===-1?(t.S.U(t),r!==void 0&&(r.n=t.n),t.n!==void 0&&(t.n.p=r)):n=t,t.S.n=t.r,t.r!==void 0&&(t.r=void 0),t=r}e.s=n}function Xe(e,t){H.call(this,void 0,t),this.x=e,this.s=void 0,this.g=Ge-1,this.f=4}Xe.prototype=new H,Xe.prototype.h=function(){if(this.f&=-3,1&this.f)return!1;if((36&this.f)==32||(this.f&=-5,this.g===Ge))return!0;if(this.g=Ge,this.f|=1,this.i>0&&!qe(this))return this.f&=-2,!0;var e=V;try{Je(this),V=this;var t=this.x();(16&this.f||this.v!==t||this.i===0)&&(this.v=t,this.f&=-17,this.i++)}catch(e){this.v=e,this.f|=16,this.i++}return V=e,Ye(this),this.f&=-2,!0},Xe.prototype.S=function(e){if(this.t===void 0){this.f|=36;for(var t=this.s;t!==void 0;t=t.n)t.S.S(t)}H.prototype.S.call(this,e)},Xe.prototype.U=function(e){if(this.t!==void 0&&(H.prototype.U.call(this,e),this.t===void 0)){this.f&=-33;for(var t=this.s;t!==void 0;t=t.n)t.S.U(t)}},Xe.prototype.N=function(){if(!(2&this.f)){this.f|=6;for(var e=this.t;e!==void 0;e=e.x)e.t.N()}},Object.defineProperty(Xe.prototype,"value",{get:function(){if(1&this.f)throw Error(`Cycle detected`);var e=Ke(this);if(this.h(),e!==void 0&&(e.i=this.i),16&this.f)throw this.v;return this.v}});function Ze(e,t){return new Xe(e,t)}function Qe(e){var t=e.j;if(e.j=void 0,typeof t==`function`){Be++;var n=V;V=void 0;try{t()}catch(t){throw e.f&=-2,e.f|=8,$e(e),t}finally{V=n,Fe()}}}function $e(e){for(var t=e.s;t!==void 0;t=t.n)t.S.U(t);e.x=void 0,e.s=void 0,Qe(e)}function et(e){if(V!==this)throw Error(`Out-of-order effect`);Ye(this),V=e,this.f&=-2;try{8&this.f&&$e(this)}finally{Fe()}}function tt(e,t){this.x=e,this.j=void 0,this.s=void 0,this.u=void 0,this.f=32,this.name=t?.name,Le&&Le.push(this)}tt.prototype.c=function(){var e=this.S();try{if(8&this.f||this.x===void 0)return;var t=this.x();typeof t==`function`&&(this.j=t)}finally{e()}},tt.prototype.S=function(){if(1&this.f)throw Error(`Cycle detected`);this.f|=1,this.f&=-9,Qe(this),Je(this),Be++;var e=V;return V=this,et.bind(this,e)},tt.prototype.N=function(){2&this.f||(this.f|=2,this.u=ze,ze=this)},tt.prototype.d=function(){this.f|=8,1&this.f||$e(this)},tt.prototype.dispose=function(){this.d()};function nt(e,t){var n=new tt(e,t);try{n.c()}catch(e){throw n.d(),e}var r=n.d.bind(n);return r[Symbol.dispose]=r,r}var rt,it,at=typeof window<`u`&&!!window.__PREACT_SIGNALS_DEVTOOLS__,ot=[];nt(function(){rt=this.N})();function st(t,n){e[t]=n.bind(null,e[t]||function(){})}function ct(e){if(it){var t=it;it=void 0,t()}it=e&&e.S()}function lt(e){var t=this,r=e.data,i=dt(r);i.name=`ReactiveDom`,i.value=r;var a=we(function(){for(var e=t,r=t.__v;r=r.__;)if(r.__c){r.__c.__$f|=4;break}var a=Ze(function(){var e=i.value.value;return e===0?0:!0===e?``:e||``}),o=Ze(function(){return!Array.isArray(a.value)&&!n(a.value)}),s=nt(function(){if(this.N=mt,o.value){var t=a.value;e.__v&&e.__v.__e&&e.__v.__e.nodeType===3&&(e.__v.__e.data=t)}}),c=t.__$u.d;return t.__$u.d=function(){s(),c.call(this)},[o,a]},[]),o=a[0],s=a[1];return o.value?s.peek():s.value}lt.displayName=`ReactiveTextNode`,Object.defineProperties(H.prototype,{constructor:{configurable:!0,value:y(x,null).constructor},type:{configurable:!0,value:lt},props:{configurable:!0,get:function(){var e=this;return{data:{get value(){return e.value}}}}},__b:{configurable:!0,value:1}}),st(`__b`,function(e,t){if(ct(),typeof t.type==`string`){var n,r=t.props;for(var i in r)if(i!==`children`){var a=r[i];a instanceof H&&(n||(t.__np=n={}),n[i]=a,r[i]=a.peek())}}e(t)}),st(`__r`,function(e,t){if(e(t),t.type!==x){ct();var n,r=t.__c;r&&(r.__$f&=-2,(n=r.__$u)===void 0&&(r.__$u=n=function(e,t){var n;return nt(function(){n=this},{name:t}),n.c=e,n}(function(e){return function(){var t;at&&((t=this.y)==null||t.call(this)),e.__$f|=1,e.setState({})}}(r),typeof t.type==`function`?t.type.displayName||t.type.name:``))),ct(n)}}),st(`__e`,function(e,t,n,r){ct(),e(t,n,r)}),st(`diffed`,function(e,t){ct();var n;if(typeof t.type==`string`&&(n=t.__e)){var r=t.__np,i=t.props,a=n.U;if(a)for(var o in a){var s=a[o];s===void 0||r&&o in r||(s.d(),a[o]=void 0)}if(r)for(var c in a||(a={},n.U=a),r){var l=a[c],u=r[c];l===void 0?(l=ut(n,c,u,i),a[c]=l):l.o(u,i)}}e(t)});function ut(e,t,n,r){var i=t in e&&e.ownerSVGElement===void 0,a=U(n);return{o:function(e,t){a.value=e,r=t},d:nt(function(){this.N=mt;var n=a.value.value;r[t]!==n&&(r[t]=n,i?e[t]=n:n!=null&&(!1!==n||t[4]===`-`)?e.setAttribute(t,n):e.removeAttribute(t))})}}st(`unmount`,function(e,t){if(typeof t.type==`string`){var n=t.__e;if(n){var r=n.U;if(r)for(var i in n.U=void 0,r){var a=r[i];a&&a.d()}}var o=t.__np;if(o){var s=t.props;for(var c in o)s[c]=o[c]}t.__np=void 0}else{var l=t.__c;if(l){l.__$f|=8;var u=l.__$u;u&&(l.__$u=void 0,u.d())}}e(t)}),st(`__h`,function(e,t,n,r){r<3&&(t.__$f|=2),e(t,n,r)}),S.prototype.shouldComponentUpdate=function(e,t){if(this.__R)return!0;var n=this.__$u,r=n&&n.s!==void 0;for(var i in t)return!0;if(this.__f||typeof this.u==`boolean`&&!0===this.u){var a=2&this.__$f;if(!(r||a||4&this.__$f)||1&this.__$f)return!0}else if(!(r||4&this.__$f)||3&this.__$f)return!0;for(var o in e)if(o!==`__source`&&e[o]!==this.props[o])return!0;for(var s in this.props)if(!(s in e))return!0;return!1};function dt(e,t){return we(function(){return U(e,t)},[])}var ft=function(e){queueMicrotask(function(){queueMicrotask(e)})};function pt(){Ie(function(){for(var e;e=ot.shift();)rt.call(e)})}function mt(){ot.push(this)===1&&(e.requestAnimationFrame||ft)(pt)}var ht=new URL(`..`,import.meta.url),gt=U(void 0),_t=U(!1);function vt(e){return new URL(e.replace(/^\//,``),ht).href}async function yt(){try{gt.value=await(await fetch(vt(`/api`))).json(),_t.value=!1}catch{_t.value=!0,setTimeout(()=>void yt(),3e3)}}function bt(e){return{...e.token?{Authorization:`Bearer ${e.token}`}:{},...e.body===void 0?{}:{"Content-Type":`application/json`},...e.headers}}async function xt(e,t){let n=performance.now(),r=await fetch(vt(e.path),{method:e.method,headers:bt(e),cache:`no-store`,...e.body===void 0?{}:{body:e.body},...t?{signal:t}:{}}),i=await r.text(),a=performance.now()-n;return{status:r.status,statusText:r.statusText,body:St(i),text:i,headers:r.headers,sentAt:n,took:a}}function St(e){try{return JSON.parse(e)}catch{return e}}var Ct={key:`nobody`,user:``,label:`Anonymous (no token)`,admin:!1},wt=U([]),Tt=[`ann`,`bob`],Et=Ze(()=>{let e=gt.value?.authentication.testToken;if(!e)return[];let t=At(e),n=Tt.map(e=>At(Pt(`${e}:${e}:${e}@example.com:user`)));return[{...t,key:`demo-admin`,label:`${t.user} (admin)`},...n]}),Dt=Ze(()=>[...Et.value,...wt.value,Ct]);function Ot(e){return Dt.value.find(t=>t.key===e)??Dt.value[0]??Ct}function kt(e){let t=At(e.trim().replace(/^Bearer\s+/i,``));return wt.value=[...wt.value.filter(({key:e})=>e!==t.key),t],t.key}function At(e){let t=`token-${e}`,n=Nt(e);if(n){let r=typeof n.sub==`string`?n.sub:`unknown`,i=Mt(n.roles);return{key:t,user:r,label:jt(r,i,`JWT`),token:e,admin:i.includes(`admin`)}}let[r=``,i,a,o=`user`]=Ft(e)?.split(`:`)??[];if(r&&i!==void 0&&a!==void 0){let n=o.split(`,`);return{key:t,user:r,label:jt(r,n),token:e,admin:n.includes(`admin`)}}return{key:t,user:``,label:`Unreadable token …${e.slice(-6)}`,token:e,admin:!1}}function jt(e,t,n){return`${e} (${[t.includes(`admin`)?`admin`:`user`,n].filter(Boolean).join(`, `)})`}function Mt(e){return Array.isArray(e)?e.map(String):typeof e==`string`?e.split(/[ ,]+/):[]}function Nt(e){let t=e.split(`.`);if(t.length!==3)return;let n=Ft((t[1]??``).replaceAll(`-`,`+`).replaceAll(`_`,`/`));try{return n===void 0?void 0:JSON.parse(n)}catch{return}}function Pt(e){return btoa(String.fromCharCode(...new TextEncoder().encode(e)))}function Ft(e){try{return new TextDecoder(`utf-8`,{fatal:!0}).decode(Uint8Array.from(atob(e),e=>e.charCodeAt(0)))}catch{return}}var It=new Intl.DateTimeFormat(`en-GB`,{hour:`2-digit`,minute:`2-digit`,second:`2-digit`,fractionalSecondDigits:3}),Lt=new Intl.NumberFormat(`en-US`),Rt=e=>It.format(e),zt=e=>Lt.format(e),Bt=(e,t,n=`${t}s`)=>`${zt(e)} ${e===1?t:n}`;function Vt(e){return e<10?`${e.toFixed(1)} ms`:e<1e3?`${e.toFixed(0)} ms`:e<1e4?`${(e/1e3).toFixed(1)} s`:e<12e4?`${(e/1e3).toFixed(0)} s`:e<72e5?`${(e/6e4).toFixed(0)} min`:e<1728e5?`${(e/36e5).toFixed(0)} h`:`${(e/864e5).toFixed(0)} d`}function Ht(e){return e<1024?`${e} B`:e<1048576?`${(e/1024).toFixed(0)} KiB`:e<1073741824?`${(e/1048576).toFixed(+(e<10485760))} MiB`:`${(e/1073741824).toFixed(1)} GiB`}function Ut(e){try{return JSON.stringify(JSON.parse(e),null,2)}catch{return e}}function Wt(e,t){let n;try{n=JSON.parse(t)}catch{return t}let r=e=>n[e]===void 0||n[e]===null?``:String(n[e]);switch(e){case`notification`:return Gt(r(`title`),r(`message`));case`realtime-update`:return Gt(`${r(`entity`)} ${r(`action`)}`,JSON.stringify(n.data));case`chat-message`:return Gt(`#${r(`roomId`)} ${r(`username`)}`,r(`message`));case`typing`:return`#${r(`roomId`)} ${r(`username`)} is typing`;case`system-status`:return Gt(`${r(`service`)} is ${r(`status`)}`,r(`message`));case`connected`:return Gt(n.userId?`as ${r(`userId`)}`:`anonymous`,n.resumed?`resumed`:``);case`heartbeat`:return r(`timestamp`);case`reset`:return Gt(r(`reason`),`asked for ${r(`requested`)}, goes on from ${r(`resumedFrom`)}`);case`busy`:case`draining`:case`revoked`:case`slow`:case`expired`:return Gt(r(`reason`),n.reconnect?`come back`:`do not come back with this token`);default:return t}}var Gt=(...e)=>e.filter(Boolean).join(` · `),Kt=Symbol.for(`pv`),qt=0;Array.isArray;function W(t,n,r,i,a,o){n||={};var s,c,l=n;if(`ref`in l&&typeof t!=`function`)for(c in l={},n)c==`ref`?s=n[c]:l[c]=n[c];var u={type:t,props:l,key:r,ref:s,__k:null,__:null,__b:0,__e:null,__c:null,constructor:Kt,__v:--qt,__i:-1,__u:0};return(a||o)&&(u.__source=a,u.__self=o),e.vnode&&e.vnode(u),u}function Jt({label:e,hint:t,children:n}){let r=Te();return W(`div`,{class:`field`,children:[W(`label`,{for:r,children:e}),n(r),t&&W(`p`,{class:`hint`,children:t})]})}function Yt({label:e,value:t,onValue:n,placeholder:r,list:i,lines:a,disabled:o,mono:s,secret:c=!1}){let l=Te(),u={value:t,placeholder:r,disabled:o,spellcheck:!1,autocomplete:`off`,class:s?`mono`:void 0,onInput:e=>n(e.currentTarget.value)};return W(Jt,{label:e,children:e=>a?W(`textarea`,{id:e,rows:a,...u}):W(x,{children:[c&&W(`input`,{id:e,type:`password`,...u}),!c&&(i?W(`input`,{id:e,list:l,...u}):W(`input`,{id:e,type:`text`,...u})),i&&W(`datalist`,{id:l,children:i.map(e=>W(`option`,{value:e},e))})]})})}function Xt({label:e,value:t,options:n,onValue:r,disabled:i}){return W(Jt,{label:e,children:e=>W(`select`,{id:e,value:t,disabled:i,onChange:e=>r(e.currentTarget.value),children:n.map(e=>{let{value:n,label:r}=typeof e==`string`?{value:e,label:e}:e;return W(`option`,{value:n,selected:n===t,children:r},n)})})})}function Zt({label:e,value:t,options:n,onValue:r}){let i=Te();return W(`fieldset`,{class:`segments`,children:[W(`legend`,{class:`unseen`,children:e}),n.map(e=>W(`label`,{class:e.value===t?`chosen`:``,children:[W(`input`,{type:`radio`,name:i,value:e.value,checked:e.value===t,onChange:()=>r(e.value)}),e.label]},e.value))]})}function Qt({text:e,label:t=`Copy`}){let[n,r]=R(``),i=Ce(void 0);B(()=>()=>clearTimeout(i.current),[]);let a=async()=>{try{await navigator.clipboard.writeText(e),r(`Copied`)}catch{r(`The browser does not allow it`)}clearTimeout(i.current),i.current=setTimeout(()=>r(``),1500)};return W(`button`,{type:`button`,class:`quiet`,onClick:()=>void a(),children:W(`span`,{"aria-live":`polite`,children:n||t})})}function $t({text:e,label:t,copy:n=!0}){return W(`div`,{class:`code`,children:[W(`pre`,{tabIndex:0,role:`region`,"aria-label":t,children:W(`code`,{children:e})}),n&&W(Qt,{text:e})]})}function en({children:e}){return W(`div`,{class:`empty`,children:e})}var tn={token_missing:`This call needs to know who calls. Choose an identity, or paste a token.`,token_invalid:`The server does not take this token: it is malformed, wrongly signed, or of a kind that is switched off. In production demo tokens are; ask your application for a JWT.`,token_expired:`This token was good once. Get a new one and paste it.`,forbidden:`The token is good, but its user may not do this. Without a target, publishing needs the role admin.`,too_many_connections:`As many streams are open as may be. Close one, or raise MAX_CONNECTIONS_PER_USER.`,draining:`The server is about to stop. Its successor will take the call in a moment.`,journal_unavailable:`The log can’t be written. Repeat the call with the same Idempotency-Key.`,unsupported_media_type:`Send Content-Type: application/json.`};function nn(e){return e===void 0?void 0:tn[e]}function G({answer:e,label:t=`Answer`}){let n=e.body?.code,r=e.status<400,i=typeof e.body==`string`?e.body:JSON.stringify(e.body,null,2),a=nn(n);return W(`div`,{class:`answer`,role:`status`,"data-status":e.status,children:[W(`p`,{class:`line`,children:[W(`span`,{class:`chip ${r?`good`:`bad`}`,children:`${e.status} ${e.statusText}`.trim()}),n&&W(`code`,{children:n}),W(`span`,{class:`faint`,children:Vt(e.took)})]}),!r&&a&&W(`p`,{class:`advice`,children:a}),W($t,{text:i,label:t})]})}var K=`paste`;function rn({label:e=`As`,value:t,onValue:n,disabled:r=!1}){let[i,a]=R(!1),[o,s]=R(``),c=[...Dt.value.map(({key:e,label:t})=>({value:e,label:t})),{value:K,label:`Paste a token …`}];return W(`div`,{class:`identity`,children:[W(Xt,{label:e,value:i?K:Ot(t).key,options:c,onValue:e=>{a(e===K),e!==K&&n(e)},disabled:r}),i&&W(`form`,{class:`paste`,onSubmit:e=>{e.preventDefault(),o.trim()&&(n(kt(o)),s(``),a(!1))},children:[W(Yt,{label:`Token`,secret:!0,value:o,onValue:s,placeholder:`JWT or demo token`,mono:!0}),W(`button`,{type:`submit`,disabled:!o.trim(),children:`Use it`}),W(`p`,{class:`hint`,children:`Kept in this page's memory until it is closed, and nowhere else.`})]})]})}var an=class extends Error{constructor(e,t){super(e),this.name=`ParseError`,this.type=t.type,this.field=t.field,this.value=t.value,this.line=t.line}},on=10,sn=13,q=32,cn=6;function ln(e){if(typeof e==`function`)throw TypeError("`config` must be an object, got a function instead. Did you mean `createParser({onEvent: fn})`?");let{maxBufferSize:t,onComment:n,onError:r,onEvent:i,onId:a,onRetry:o}=e,s=[],c=0,l=``,u,d=``,f=0,p,m=!1,h=!1,g=!1;function _(e){if(m)throw Error("Cannot feed parser: it was terminated after exceeding the configured max buffer size. Call `reset()` to resume parsing.");if(l!==void 0){if(e=l+e,e===``||e===`ï`||e===`ï»`){l=e;return}l=void 0,e=e.replace(/^(?:\uFEFF|\xEF\xBB\xBF)/,``)}if((h||g)&&(e=v(e),!e))return;if(!s.length){let t=S(e);t!==``&&y(t),x();return}if(e.indexOf(`
`)===-1&&e.indexOf(`\r`)===-1){if(c<cn&&!b(s.join(``)+e.slice(0,cn-c))){s.length=0,c=0,h=!0;return}s.push(e),c+=e.length,x();return}s.push(e);let t=s.join(``);s.length=0,c=0,y(S(t)),x()}function v(e){if(e.length===0)return e;if(g)return g=!1,e.charCodeAt(0)===on?e.slice(1):e;let t=e.indexOf(`\r`),n=e.indexOf(`
`),r=t===-1?n:n===-1||t<n?t:n;return r===-1?``:r===e.length-1&&e.charCodeAt(r)===sn?(h=!1,g=!0,``):(h=!1,e.slice(r+(e.charCodeAt(r)===sn&&e.charCodeAt(r+1)===on?2:1)))}function y(e){if(e){if(e.charCodeAt(e.length-1)===sn){if(C(e,0,e.length-1),x())return;g=!0}else b(e)?(s.push(e),c=e.length):h=!0}}function b(e){let t=e.charCodeAt(0);return t===58&&!!n||t===100&&fn(e,`data`)||t===101&&fn(e,`event`)||t===105&&fn(e,`id`)||t===114&&fn(e,`retry`)}function x(){return m?!0:t===void 0||c+d.length<=t?!1:(m=!0,s.length=0,c=0,u=void 0,d=``,f=0,p=void 0,h=!1,g=!1,r?.(new an(`Buffered data exceeded max buffer size of ${t} characters`,{type:`max-buffer-size-exceeded`})),!0)}function S(e){let t=0;if(e.indexOf(`\r`)===-1){let n=e.indexOf(`
`,t);for(;n!==-1;){if(t===n){u!==void 0&&a?.(u),f>0&&i?.({id:u,event:p,data:d}),u=void 0,d=``,f=0,p=void 0,t=n+1,n=e.indexOf(`
`,t);continue}let r=e.charCodeAt(t);if(un(e,t,r)){let r=e.charCodeAt(t+5)===q?t+6:t+5,o=e.slice(r,n);if(f===0&&e.charCodeAt(n+1)===on){u!==void 0&&a?.(u),i?.({id:u,event:p,data:o}),u=void 0,d=``,p=void 0,t=n+2,n=e.indexOf(`
`,t);continue}d=f===0?o:`${d}\n${o}`,f++}else dn(e,t,r)?p=e.slice(e.charCodeAt(t+6)===q?t+7:t+6,n)||void 0:C(e,t,n);if(x())return``;t=n+1,n=e.indexOf(`
`,t)}return e.slice(t)}let n=e.indexOf(`\r`,t),r=e.indexOf(`
`,t);for(;t<e.length;){let i=-1;if(n!==-1&&r!==-1?i=n<r?n:r:n===-1?r!==-1&&(i=r):i=n===e.length-1?-1:n,i===-1)break;if(C(e,t,i),x())return``;t=i+1,e.charCodeAt(t-1)===sn&&e.charCodeAt(t)===on&&t++,n!==-1&&n<t&&(n=e.indexOf(`\r`,t)),r!==-1&&r<t&&(r=e.indexOf(`
`,t))}return e.slice(t)}function C(e,t,r){if(t===r){T();return}let i=e.charCodeAt(t);if(un(e,t,i)){let n=e.charCodeAt(t+5)===q?t+6:t+5,i=e.slice(n,r);d=f===0?i:`${d}\n${i}`,f++;return}if(dn(e,t,i)){p=e.slice(e.charCodeAt(t+6)===q?t+7:t+6,r)||void 0;return}if(i===105&&e.charCodeAt(t+1)===100&&e.charCodeAt(t+2)===58){let n=e.slice(e.charCodeAt(t+3)===q?t+4:t+3,r);n.includes(`\0`)||(u=n);return}if(i===58){if(n){let i=e.slice(t,r);n(i.slice(e.charCodeAt(t+1)===q?2:1))}return}let a=e.slice(t,r),o=a.indexOf(`:`);if(o===-1){w(a,``,a);return}let s=a.slice(0,o),c=a.charCodeAt(o+1)===q?2:1;w(s,a.slice(o+c),a)}function w(e,t,n){switch(e){case`event`:p=t||void 0;break;case`data`:d=f===0?t:`${d}\n${t}`,f++;break;case`id`:t.includes(`\0`)||(u=t);break;case`retry`:/^\d+$/.test(t)?o?.(parseInt(t,10)):r?.(new an(`Invalid \`retry\` value: "${t}"`,{type:`invalid-retry`,value:t,line:n}));break;default:r?.(new an(`Unknown field "${e.length>20?`${e.slice(0,20)}…`:e}"`,{type:`unknown-field`,field:e,value:t,line:n}))}}function T(){u!==void 0&&a?.(u),f>0&&i?.({id:u,event:p,data:d}),u=void 0,d=``,f=0,p=void 0}function E(e={}){if(e.consume&&s.length>0){let e=s.join(``);C(e,0,e.length)}l=``,u=void 0,d=``,f=0,p=void 0,s.length=0,c=0,m=!1,h=!1,g=!1}return{feed:_,reset:E}}function un(e,t,n){return n===100&&e.charCodeAt(t+1)===97&&e.charCodeAt(t+2)===116&&e.charCodeAt(t+3)===97&&e.charCodeAt(t+4)===58}function dn(e,t,n){return n===101&&e.charCodeAt(t+1)===118&&e.charCodeAt(t+2)===101&&e.charCodeAt(t+3)===110&&e.charCodeAt(t+4)===116&&e.charCodeAt(t+5)===58}function fn(e,t){let n=1;for(;n<e.length&&n<t.length;){if(e.charCodeAt(n)!==t.charCodeAt(n))return!1;n++}return e.length<=t.length||e.charCodeAt(t.length)===58}var pn=3e3,mn=15e3,hn=[429,502,503,504],gn=3,_n=class{lastEventId;reconnects=0;state={is:`closed`};#e;#t=pn;#n=0;#r=0;#i=0;#a;#o;#s;constructor(e){this.#e=e,this.lastEventId=e.lastEventId||void 0}open(){this.#c(),this.#u()}drop(){this.#c(),this.#l({is:`dropped`})}resume(){this.open()}close(){this.#c(),this.#l({is:`closed`})}#c(){clearTimeout(this.#o),clearTimeout(this.#s);let e=this.#a;this.#a=void 0,e?.abort()}#l(e){this.state=e,this.#e.onState(e)}async#u(){let e=new AbortController;this.#a=e;let t=()=>this.#a!==e;this.#l({is:`connecting`});let n=`The connection broke`;try{let r=await(this.#e.fetch??fetch)(this.#e.url,{headers:{Accept:`text/event-stream`,...this.#e.token?{Authorization:`Bearer ${this.#e.token}`}:{},...this.lastEventId?{"Last-Event-ID":this.lastEventId}:{}},cache:`no-store`,signal:e.signal});if(t())return;if(!r.ok||!r.body){let e=await vn(r);if(t())return;if(!hn.includes(r.status))return this.#m(e);n=e.message,this.#t=Number(r.headers.get(`retry-after`))*1e3||this.#t}else{this.#n=0,this.#r+=1,this.reconnects=this.#r-1,this.#l({is:`open`,since:performance.now()});let e=await this.#d(r.body,t);if(t())return;if(e)return this.#m(e);this.#n=0}}catch{if(t())return}this.#p(n)}async#d(e,t){let n,r=ln({onEvent:e=>{if(t())return;e.id!==void 0&&(this.lastEventId=e.id);let r=e.event??`message`,i=[`connected`,`expired`,`revoked`,`slow`,`draining`,`busy`].includes(r)?JSON.parse(e.data):{};i.heartbeatInterval&&(this.#i=i.heartbeatInterval*gn),i.reconnect===!1&&(n={status:200,code:r,message:`The server ended this stream for good: ${i.reason??r}`}),this.#e.onEvent({event:r,id:e.id,data:e.data,at:performance.now()})},onRetry:e=>{this.#t=e}}),i=new TextDecoder,a=e.getReader();try{for(;;){this.#f();let{done:e,value:o}=await a.read();if(e||t())return n;r.feed(i.decode(o,{stream:!0}))}}catch{return n}finally{clearTimeout(this.#s)}}#f(){if(clearTimeout(this.#s),this.#i===0)return;let e=this.#a;this.#s=setTimeout(()=>{this.#a===e&&(this.#c(),this.#p(`No heartbeat came`))},this.#i)}#p(e){let t=Math.min(this.#t*1.5**this.#n,Math.max(this.#t,mn));this.#n+=1,this.#l({is:`waiting`,until:performance.now()+t,why:e}),clearTimeout(this.#o),this.#o=setTimeout(()=>void this.#u(),t)}#m(e){this.#c(),this.#l({is:`failed`,refusal:e})}};async function vn(e){let t=`${e.status} ${e.statusText}`.trim();try{let n=await e.json();return{status:e.status,...n.code?{code:n.code}:{},message:n.message??t}}catch{return{status:e.status,message:t}}}var yn=4e3,bn=2e3,xn=class{name=U(`general`);who=U(``);state=U({is:`closed`});messages=U([]);members=U([]);typing=U([]);problem=U(``);#e;#t=-2e3;#n=new Map;constructor(e){this.who.value=e}async enter(){this.#i(),Ie(()=>{this.problem.value=``,this.messages.value=[],this.state.value={is:`connecting`}});let e=await this.#a();if(!e)return;this.messages.value=e.messages;let t=new _n({url:vt(`${this.#r}/stream`),token:Ot(this.who.value).token,lastEventId:e.next,onEvent:e=>this.#o(e),onState:e=>this.state.value=e});this.#e=t,t.open(),await this.#u(`POST`,`${this.#r}/join`),await this.#l()}async leave(){await this.#u(`POST`,`${this.#r}/leave`),this.#i(),this.members.value=[]}leaveView(){this.#e&&this.#i(),this.members.value=[]}async say(e){let t=JSON.stringify({roomId:this.name.value,message:e});return(await this.#u(`POST`,`/chat/message`,t))?.status===200}isTyping(){performance.now()-this.#t<bn||(this.#t=performance.now(),this.#u(`POST`,`${this.#r}/typing`))}get#r(){return`/chat/room/${encodeURIComponent(this.name.value)}`}#i(){this.#e?.close(),this.#e=void 0;for(let e of this.#n.values())clearTimeout(e);this.#n.clear(),Ie(()=>{this.typing.value=[],this.state.value={is:`closed`}})}async#a(){let e=[],t=``;for(;;){let n=new URLSearchParams({topic:`chat/room/${this.name.value}`,limit:`1000`,...t?{after:t}:{}}),r=await this.#d(`GET`,`/events?${n}`);if(r?.status!==200){let e=r?.body;this.state.value={is:`failed`,refusal:{status:r?.status??0,...e?.code?{code:e.code}:{},message:e?.message??`The server does not answer`}};return}let i=r.body;if(e.push(...i.events.map(({data:e})=>e)),t=i.next,i.end)return{messages:e.slice(-300),next:t}}}#o(e){if(e.event===`chat-message`){let t=JSON.parse(e.data);if(this.messages.value.some(({id:e})=>e===t.id))return;this.messages.value=[...this.messages.value,t].slice(-300),this.#c(t.username),t.type===`system`&&this.#l()}else e.event===`typing`?this.#s(JSON.parse(e.data)):e.event===`connected`&&this.#l()}#s({userId:e,username:t}){e!==Ot(this.who.value).user&&(clearTimeout(this.#n.get(t)),this.#n.set(t,setTimeout(()=>this.#c(t),yn)),this.typing.value.includes(t)||(this.typing.value=[...this.typing.value,t]))}#c(e){clearTimeout(this.#n.get(e)),this.#n.delete(e),this.typing.value=this.typing.value.filter(t=>t!==e)}async#l(){let e=await this.#d(`GET`,`${this.#r}/members`);e?.status===200&&this.#e&&(this.members.value=e.body.members)}async#u(e,t,n){let r=await this.#d(e,t,n),i=r?.body?.message;return this.problem.value=r&&r.status<400?``:i??`The server does not answer.`,r}async#d(e,t,n){try{return await xt({method:e,path:t,token:Ot(this.who.value).token,body:n})}catch{return}}},Sn=U([]);function Cn(){return B(()=>(Sn.value.length===0&&(Sn.value=[new xn(Dt.value[0]?.key??``)]),()=>{for(let e of Sn.value)e.leaveView()}),[]),W(`div`,{class:`chats ${Sn.value.length>1?`two`:``}`,children:[Sn.value.map((e,t)=>W(wn,{room:e,name:Sn.value.length>1?`Chat ${t+1}`:`Chat`},e)),Sn.value.length===1&&W(`button`,{type:`button`,class:`add`,onClick:()=>Sn.value=[...Sn.value,new xn(Dt.value[1]?.key??``)],children:`+ A second user beside it`})]})}function wn({room:e,name:t}){let[n,r]=R(``),i=Ce(null),a=e.state.value,o=a.is!==`closed`&&a.is!==`failed`,s=Ot(e.who.value).user,c=e.messages.value;B(()=>{let e=i.current;e&&(e.scrollTop=e.scrollHeight)},[c]);let l=we(()=>e.typing.value.filter(e=>e!==s),[e.typing.value,s]);return W(`section`,{class:`card chat`,"aria-label":t,"data-state":a.is,children:[W(`form`,{class:`row`,onSubmit:t=>{t.preventDefault(),o?e.leave():e.enter()},children:[W(Yt,{label:`Room`,value:e.name.value,onValue:t=>e.name.value=t,disabled:o}),W(rn,{value:e.who.value,onValue:t=>e.who.value=t,disabled:o}),W(`button`,{type:`submit`,class:o?``:`primary`,children:o?`Leave`:`Join`})]}),a.is===`failed`&&W(`div`,{class:`trouble`,role:`alert`,children:[W(`p`,{children:[W(`span`,{class:`chip bad`,children:a.refusal.status}),` `,a.refusal.message]}),nn(a.refusal.code)&&W(`p`,{class:`advice`,children:nn(a.refusal.code)})]}),e.problem.value&&W(`p`,{class:`trouble`,role:`alert`,children:e.problem.value}),W(`div`,{class:`members`,"aria-label":`Members`,children:[W(`span`,{class:`dot ${a.is}`,"aria-hidden":`true`}),e.members.value.length===0?o?`Nobody is here`:`Not in the room`:e.members.value.map(e=>W(`span`,{class:`member`,title:`${e.userId}, ${e.connections} open`,children:e.username},e.userId))]}),W(`div`,{class:`messages`,ref:i,tabIndex:0,role:`log`,"aria-label":`Messages`,children:[c.length===0&&W(en,{children:o?`No message yet.`:`Join to see what is said.`}),c.map(e=>W(`p`,{class:e.type===`system`?`system`:e.userId===s?`mine`:``,"data-message":e.id,children:[e.type!==`system`&&W(`span`,{class:`author`,children:e.username}),W(`span`,{class:`said`,children:e.message}),W(`time`,{class:`faint`,dateTime:e.timestamp,children:e.timestamp.slice(11,16)})]},e.id))]}),W(`p`,{class:`typing faint`,"aria-live":`polite`,children:l.length>0?`${l.join(`, `)} ${l.length===1?`is`:`are`} typing …`:``}),W(`form`,{class:`say`,onSubmit:t=>{t.preventDefault(),n.trim()&&e.say(n).then(e=>e&&r(``))},children:[W(`input`,{"aria-label":`Message`,placeholder:o?`Write a message`:`Join first`,value:n,disabled:!o,autocomplete:`off`,maxLength:4e3,onInput:t=>{r(t.currentTarget.value),e.isTyping()}}),W(`button`,{type:`submit`,class:`primary`,disabled:!o||!n.trim(),children:`Send`})]})]})}var Tn=256,En=new Map,Dn=new Map;function On(e,t){An(En,e,t);for(let n of Dn.get(e)??[])n.tell(n.at-t);Dn.delete(e)}function kn(e,t,n){let r=En.get(e);r===void 0?An(Dn,e,[...Dn.get(e)??[],{at:t,tell:n}]):n(t-r)}function An(e,t,n){e.set(t,n);let[r]=e.keys();e.size>Tn&&r!==void 0&&e.delete(r)}var jn=[{key:`notifications`,label:`Notifications`,path:`/notifications/stream`,needsToken:!1,shows:[`notifications`,`notifications/user/{me}`]},{key:`realtime-updates`,label:`Entity updates`,path:`/realtime/stream`,needsToken:!1,shows:[`realtime`,`realtime/user/{me}`],field:{name:`entities`,label:`Entities`,placeholder:`all, or order,user`,shows:[`realtime/entity/*`,`realtime/user/{me}/entity/*`]}},{key:`chat`,label:`Chat`,path:`/chat/stream`,needsToken:!0,shows:[`chat`],field:{name:`roomId`,label:`Room`,placeholder:`all rooms`,shows:[`chat/room/*`]}},{key:`system-status`,label:`System status`,path:`/system/status/stream`,needsToken:!1,shows:[`system/status`]},{key:`heartbeat`,label:`Heartbeat`,path:`/system/heartbeat`,needsToken:!1,shows:[]}];function Mn(e,t){let n=e.field&&t?`?${new URLSearchParams({[e.field.name]:t})}`:``;return e.path+n}function Nn(e,t,n){let r=e.field?n.split(`,`).map(e=>e.trim()).filter(Boolean):[];return(e.field&&r.length>0?e.field.shows:e.shows).filter(e=>t.user||!e.includes(`{me}`)).map(e=>e.replace(`{me}`,()=>Pn(t.user))).flatMap(e=>e.includes(`*`)?r.map(t=>e.replace(`*`,()=>t)):[e])}function Pn(e){let t=/[A-Za-z0-9._@:-]/;return[...new TextEncoder().encode(e)].map(e=>{let n=String.fromCharCode(e);return t.test(n)?n:`%${e.toString(16).toUpperCase().padStart(2,`0`)}`}).join(``)}var Fn=3e3,In=0,Ln=class{kind=U(jn[0]);value=U(``);who=U(``);state=U({is:`closed`});rows=U([]);lastId=U(``);latency=U(void 0);connectTime=U(void 0);reconnects=U(0);received=U(0);connectionId=U(``);filter=U(``);beats=U(!1);paused=U(!1);held=U([]);backAt=U(void 0);isActive=Ze(()=>![`closed`,`failed`].includes(this.state.value.is));shown=Ze(()=>{let e=this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);return this.rows.value.filter(t=>{if(t.note)return!0;if(t.event===`heartbeat`&&!this.beats.value&&this.kind.value.key!==`heartbeat`)return!1;let n=`${t.event} ${t.id??``} ${t.data}`.toLowerCase();return e.every(e=>n.includes(e))})});#e;#t=0;#n;#r;#i=``;constructor(e){this.who.value=e}get path(){return Mn(this.kind.value,this.value.value.trim())}connect(e=``){this.disconnect(),Ie(()=>{this.reconnects.value=0,this.latency.value=void 0,this.lastId.value=e});let t=new _n({url:vt(this.path),token:Ot(this.who.value).token,lastEventId:e,onEvent:e=>this.#o(e),onState:e=>this.#a(e)});this.#e=t,t.open()}disconnect(){clearTimeout(this.#n),this.backAt.value=void 0,this.#e?.close(),this.#e=void 0,this.#r=void 0}dropAndResume(){this.#e&&(this.#i=this.#e.lastEventId??``,this.#e.drop(),this.backAt.value=performance.now()+Fn,this.#n=setTimeout(()=>this.resume(),Fn))}resume(){clearTimeout(this.#n),this.backAt.value=void 0,this.#e?.resume()}clear(){Ie(()=>{this.rows.value=[],this.held.value=[]})}setPaused(e){Ie(()=>{this.paused.value=e,e||(this.rows.value=[...this.rows.value,...this.held.value].slice(-500),this.held.value=[])})}#a(e){Ie(()=>{this.state.value=e,e.is===`connecting`&&(this.#t=performance.now(),this.#i||=(this.reconnects.value>0||this.received.value>0?this.#e?.lastEventId:``)??``),e.is===`open`&&(this.connectTime.value=performance.now()-this.#t,this.reconnects.value=this.#e?.reconnects??0)})}#o(e){let t={key:In+=1,event:e.event,id:e.id,data:e.data,time:Date.now(),replayed:!1};Ie(()=>{this.received.value+=1,this.lastId.value=this.#e?.lastEventId??``,e.event===`connected`?this.#s(e,t):e.event===`reset`?this.#c(t):this.#l(e,t)})}#s(e,t){let n=JSON.parse(e.data);this.connectionId.value=n.connectionId,this.#f(t);let r=this.#i;if(this.#i=``,!this.reconnects.value||!r||n.resumed===null)return;let i={...t,key:In+=1,event:`resume`,id:void 0,note:{after:r,replayed:0}};this.#f(i),this.#r={row:i,until:Date.parse(n.timestamp),ids:new Set},this.#u(this.#r,r)}#c(e){this.#f(e);let t=this.#r;this.#r=void 0,t&&this.#d(t.row,{reset:!0})}#l(e,t){let n=this.#r;n&&e.id&&Date.parse(Rn(e.data))<=n.until?(t.replayed=!0,n.ids.add(e.id),this.#f(t),this.#d(n.row,{replayed:n.ids.size})):(this.#f(t),e.id&&kn(e.id,e.at,e=>{Ie(()=>{this.latency.value=e,this.#p(t.key,t=>({...t,latency:e}))})}))}async#u(e,t){let n=Ot(this.who.value),r=Nn(this.kind.value,n,this.value.value.trim()),i=this.kind.value.key===`status`,a=new Set;try{for(let i of r){let r=await xt({method:`GET`,path:`/events?${new URLSearchParams({topic:i,after:t,limit:`1000`})}`,token:n.token});if(r.status!==200)throw Error(`the log answered ${r.status}`);let o=r.body;for(let{id:t,data:n}of o.events)Date.parse(Rn(n))<=e.until&&a.add(t)}}catch(t){return this.#d(e.row,{unchecked:t instanceof Error?t.message:`the log did not answer`})}if(i)return this.#d(e.row,{unchecked:`only the newest status of each service is promised`});let o=performance.now()+2e3,s=()=>[...a].filter(t=>!e.ids.has(t));for(;s().length>0&&performance.now()<o;)await new Promise(e=>setTimeout(e,50));this.#r===e&&this.#d(e.row,{missing:s()})}#d(e,t){this.#p(e.key,e=>e.note?{...e,note:{...e.note,...t}}:e)}#f(e){let t=this.paused.value?this.held:this.rows;t.value=[...t.value,e].slice(-500)}#p(e,t){for(let n of[this.rows,this.held])n.value.some(t=>t.key===e)&&(n.value=n.value.map(n=>n.key===e?t(n):n))}};function Rn(e){try{let t=typeof e==`string`?JSON.parse(e):e;return typeof t.timestamp==`string`?t.timestamp:``}catch{return``}}var zn=[`curl`,`JavaScript`,`Python`,`Rust`];function Bn(e,t){let n={...bt(t),...t.lastEventId?{"Last-Event-ID":t.lastEventId}:{}},r={curl:Vn,JavaScript:Un,Python:Wn,Rust:Gn}[e];return r(t,vt(t.path),n)}function Vn(e,t,n){let r=e.method===`GET`||e.method===`POST`&&e.body!==void 0;return[`curl ${e.stream?`-N `:``}${r?``:`-X ${e.method} `}${Hn(t)}`,...Object.entries(n).map(([e,t])=>`-H ${Hn(`${e}: ${t}`)}`),...e.body===void 0?[]:[`-d ${Hn(e.body)}`]].join(` \\
  `)}function Hn(e){return/^[\w@%+=:,./-]+$/.test(e)?e:`'${e.replaceAll(`'`,`'\\''`)}'`}function Un(e,t,n){if(e.stream){let n=new URL(t);return e.token&&n.searchParams.set(`token`,e.token),e.lastEventId&&n.searchParams.set(`lastEventId`,e.lastEventId),[`const stream = new EventSource(${Kn(n.href)})`,`stream.addEventListener('connected', (event) => console.log(JSON.parse(event.data)))`,`stream.addEventListener(${Kn(Jn(e.path))}, (event) => console.log(event.lastEventId, JSON.parse(event.data)))`,`stream.addEventListener('reset', () => console.log('read your state anew'))`].join(`
`)}let r=[...e.method===`GET`?[]:[`  method: ${Kn(e.method)},`],...Object.keys(n).length===0?[]:[`  headers: {`,...Object.entries(n).map(([e,t])=>`    ${Kn(e)}: ${Kn(t)},`),`  },`],...e.body===void 0?[]:[`  body: JSON.stringify(${qn(e.body,2)}),`]];return`const answer = await ${r.length===0?`fetch(${Kn(t)})`:`fetch(${Kn(t)}, {\n${r.join(`
`)}\n})`}\nconsole.log(answer.status, await answer.json())`}function Wn(e,t,n){let r=Object.entries(n).map(([e,t])=>`    ${Kn(e)}: ${Kn(t)},`),i=r.length===0?``:`headers = {\n${r.join(`
`)}\n}\n`,a=r.length===0?``:`, headers=headers`;if(e.stream)return[`import httpx\nfrom httpx_sse import connect_sse\n\n${i}`.trimEnd(),`with httpx.Client(timeout=httpx.Timeout(10, read=90)) as client:`,`    with connect_sse(client, "GET", ${Kn(t)}${a}) as source:`,`        for event in source.iter_sse():`,`            print(event.event, event.id, event.json())`].join(`
`);let o=e.body===void 0?``:`, content=r"""${e.body}"""`;return`import httpx\n\n${i}answer = httpx.request("${e.method}", ${Kn(t)}${a}${o})\nprint(answer.status_code, answer.json())`}function Gn(e,t,n){let r=[`    .${e.method===`GET`?`get`:e.method.toLowerCase()}(${Kn(t)})`,...Object.entries(n).map(([e,t])=>`    .header(${Kn(e)}, ${Kn(t)})`),...e.body===void 0?[]:[`    .body(r#"${e.body}"#)`],`    .send()
    .await?;`].join(`
`);return e.stream?[`use eventsource_stream::Eventsource;
use futures_util::StreamExt;
`,`let response = reqwest::Client::new()\n${r}`,`let mut events = response.bytes_stream().eventsource();`,`while let Some(event) = events.next().await.transpose()? {`,`    println!("{} {} {}", event.event, event.id, event.data);`,`}`].join(`
`):`let answer = reqwest::Client::new()\n${r}\nprintln!("{} {}", answer.status(), answer.text().await?);`}function Kn(e){return JSON.stringify(e)}function qn(e,t){try{return JSON.stringify(JSON.parse(e),null,2).replaceAll(`
`,`\n${` `.repeat(t)}`)}catch{return e}}function Jn(e){return e.startsWith(`/notifications`)?`notification`:e.startsWith(`/realtime`)?`realtime-update`:e.startsWith(`/chat`)?`chat-message`:e.startsWith(`/system/status`)?`system-status`:e.startsWith(`/system/dashboard`)?`stats`:`heartbeat`}var Yn={name:`targetUserId`,label:`To the user`,start:``,in:`query`,list:[`test123`,`ann`,`bob`],placeholder:`everybody`},Xn={name:`metadata`,label:`Metadata (JSON)`,start:``,json:!0,lines:2,placeholder:`none`},Zn={name:`roomId`,label:`Room`,start:`general`},Qn=[{name:`title`,label:`Title`,start:`Hello`,wide:!0},{name:`message`,label:`Message`,start:`It works`,lines:2},{name:`type`,label:`Type`,start:`info`,options:[`info`,`success`,`warning`,`error`]}],$n={name:`data`,label:`Data (JSON)`,start:`{"id": 7, "state": "paid"}`,json:!0,lines:3},er=[{key:`send`,label:`Notification`,method:`POST`,path:`/notifications/send`,needs:`a token; to everybody, an admin’s`,fields:[...Qn,Yn,Xn]},{key:`broadcast`,label:`Broadcast`,method:`POST`,path:`/notifications/broadcast`,needs:`an admin’s token`,fields:[...Qn,Xn]},{key:`update`,label:`Entity update`,method:`POST`,path:`/realtime/update`,needs:`a token; to everybody, an admin’s`,fields:[{name:`entity`,label:`Entity`,start:`order`},{name:`action`,label:`Action`,start:`update`,options:[`create`,`update`,`delete`]},$n,Yn]},{key:`entity`,label:`Entity, in short`,method:`POST`,path:`/realtime/entity/{entity}/{action}`,needs:`an admin’s token`,fields:[{name:`entity`,label:`Entity`,start:`order`,in:`path`},{name:`action`,label:`Action`,start:`create`,in:`path`,options:[`create`,`update`,`delete`]},$n],wholeBody:`data`},{key:`message`,label:`Chat message`,method:`POST`,path:`/chat/message`,needs:`a token`,fields:[Zn,{name:`message`,label:`Message`,start:`Hi all`,lines:2},{name:`type`,label:`Type`,start:`text`,options:[`text`,`image`,`file`]},Xn]},{key:`room`,label:`Chat room`,method:`POST`,path:`/chat/room/{roomId}/{action}`,needs:`a token`,fields:[{...Zn,in:`path`},{name:`action`,label:`Action`,start:`join`,in:`path`,options:[`join`,`leave`,`typing`]}],noBody:!0},{key:`status`,label:`System status`,method:`POST`,path:`/system/status/update`,needs:`an admin’s token`,fields:[{name:`service`,label:`Service`,start:`database`},{name:`status`,label:`Status`,start:`degraded`,options:[`online`,`offline`,`degraded`,`maintenance`]},{name:`message`,label:`Message`,start:`Slow queries`},{name:`metrics`,label:`Metrics (JSON)`,start:``,json:!0,lines:2,placeholder:`none`}]}];function tr(e){return Object.fromEntries(e.fields.map(({name:e,start:t})=>[e,t]))}function nr(e,t,n){let r=e.path,i=new URLSearchParams,a={};for(let n of e.fields){let e=t[n.name]??``;if(n.in===`path`)r=r.replace(`{${n.name}}`,encodeURIComponent(e));else if(e===``)continue;else if(n.in===`query`)i.set(n.name,e);else if(!n.json)a[n.name]=e;else try{a[n.name]=JSON.parse(e)}catch(e){return{problem:`${n.label}: ${e instanceof Error?e.message:`is not JSON`}`}}}let o=i.size>0?`?${i}`:``,s={method:e.method,path:r+o,token:n};return e.noBody?s:{...s,body:JSON.stringify(e.wholeBody?a[e.wholeBody]??null:a)}}var rr=U(er[0]),ir=U(Object.fromEntries(er.map(e=>[e.key,tr(e)]))),ar=U(``);function or({panels:e}){let[t,n]=R(),[r,i]=R(``),[a,o]=R(!1),[s,c]=R(`curl`),l=rr.value,u=ir.value[l.key]??{},d=nr(l,u,Ot(ar.value).token),f=e.map(e=>Ot(e.who.value).user).filter(Boolean),p=async()=>{if(!(`problem`in d)){o(!0),i(``);try{let e=await xt(d),t=e.body?.eventId;t&&On(t,e.sentAt),n(e)}catch{n(void 0),i(`No answer came. Whether the event is in the log is unknown; with an Idempotency-Key the call could be repeated.`)}o(!1)}};return W(`section`,{class:`card publish`,"aria-label":`Publish`,children:[W(`header`,{class:`panel-head`,children:[W(`h2`,{children:`Publish`}),W(`span`,{class:`hint`,children:[`needs `,l.needs]})]}),W(`form`,{class:`stack`,onSubmit:e=>{e.preventDefault(),p()},children:[W(`div`,{class:`row`,children:[W(Xt,{label:`What`,value:l.key,options:er.map(({key:e,label:t})=>({value:e,label:t})),onValue:e=>rr.value=er.find(t=>t.key===e)??l}),W(rn,{value:ar.value,onValue:e=>ar.value=e})]}),W(`div`,{class:`grid`,children:l.fields.map(e=>W(sr,{field:e.name===`targetUserId`?{...e,list:[...new Set([...f,...e.list??[]])]}:e,value:u[e.name]??``,onValue:t=>{ir.value={...ir.value,[l.key]:{...u,[e.name]:t}}}},`${l.key}-${e.name}`))}),`problem`in d&&W(`p`,{class:`trouble`,role:`alert`,children:d.problem}),W(`button`,{type:`submit`,class:`primary`,disabled:a||`problem`in d,children:a?`Publishing …`:`Publish`})]}),!(`problem`in d)&&W(`div`,{class:`stack`,children:[W(`div`,{class:`line spread`,children:[W(`h3`,{children:`The request`}),W(Zt,{label:`Language`,value:s,options:zn.map(e=>({value:e,label:e})),onValue:c})]}),W($t,{text:Bn(s,d),label:`The request`})]}),(t||r)&&W(`div`,{class:`stack`,children:[W(`h3`,{children:`The answer`}),t&&W(G,{answer:t}),r&&W(`p`,{class:`trouble`,role:`alert`,children:r})]})]})}function sr({field:e,value:t,onValue:n}){return e.options?W(Xt,{label:e.label,value:t,options:e.options,onValue:n}):W(`div`,{class:e.lines||e.wide?`wide`:``,children:W(Yt,{label:e.label,value:t,onValue:n,...e.lines?{lines:e.lines}:{},...e.list?{list:e.list}:{},...e.placeholder?{placeholder:e.placeholder}:{},...e.json?{mono:!0}:{}})})}var cr=new Set([`notification`,`realtime-update`,`chat-message`,`system-status`,`typing`]),lr=new Set([`reset`,`busy`,`draining`,`revoked`,`slow`,`expired`]);function ur({panel:e}){let t=e.shown.value,n=Ce(null),r=Ce(!0);return Se(()=>{let e=n.current;e&&r.current&&(e.scrollTop=e.scrollHeight)},[t]),W(x,{children:[W(`div`,{class:`toolbar`,children:[W(`input`,{type:`search`,"aria-label":`Filter events`,placeholder:`Filter`,value:e.filter.value,onInput:t=>e.filter.value=t.currentTarget.value}),W(`label`,{class:`check`,children:[W(`input`,{type:`checkbox`,checked:e.beats.value,onChange:t=>e.beats.value=t.currentTarget.checked}),`Heartbeats`]}),W(`button`,{type:`button`,"aria-pressed":e.paused.value,onClick:()=>e.setPaused(!e.paused.value),children:e.paused.value?`Go on (${e.held.value.length})`:`Pause`}),W(`button`,{type:`button`,class:`quiet`,onClick:()=>e.clear(),children:`Clear`})]}),W(`div`,{class:`events`,ref:n,role:`log`,"aria-label":`Events`,tabIndex:0,onScroll:({currentTarget:e})=>{r.current=e.scrollHeight-e.scrollTop-e.clientHeight<24},children:t.length===0?W(dr,{panel:e}):t.map(t=>t.note?W(pr,{note:t.note},t.key):W(fr,{row:t,panel:e},t.key))})]})}function dr({panel:e}){return e.rows.value.length>0?W(en,{children:`Nothing matches the filter.`}):e.isActive.value?W(en,{children:`Waiting for the first event.`}):W(en,{children:W(`p`,{children:`Nothing yet. Connect, then publish something.`})})}function fr({row:e,panel:t}){let n=cr.has(e.event)?e.event:lr.has(e.event)?`ending`:`plain`,[r,i]=R(!1),a={method:`GET`,path:t.path,token:Ot(t.who.value).token,stream:!0,lastEventId:e.id};return W(`details`,{class:`event ${e.replayed?`replayed`:``}`,"data-event":e.event,"data-id":e.id,onToggle:e=>i(e.currentTarget.open),children:[W(`summary`,{children:[W(`time`,{class:`mono faint`,children:Rt(e.time)}),W(`span`,{class:`name ${n}`,children:e.event}),W(`span`,{class:`what`,children:Wt(e.event,e.data)}),e.replayed&&W(`span`,{class:`chip`,children:`replayed`}),e.latency!==void 0&&W(`span`,{class:`faint num`,children:Vt(e.latency)}),W(`span`,{class:`id mono faint`,children:e.id??`no id`})]}),r&&W(`div`,{class:`inside`,children:[W($t,{text:Ut(e.data),label:`Data of ${e.event}`}),e.id&&W(Qt,{label:`Copy as curl: go on after this event`,text:Bn(`curl`,a)})]})]})}function pr({note:e}){return W(`p`,{class:`resumed`,"data-replayed":e.replayed,"data-checked":e.missing!==void 0,children:[W(`strong`,{children:`Resumed`}),` after `,W(`code`,{children:e.after}),`: `,Bt(e.replayed,`event`),` replayed`,e.reset&&`, and a reset: not all of it could be had`,e.missing?.length===0&&`, none missing by the log`,e.missing&&e.missing.length>0&&W(`span`,{class:`bad-text`,children:[`, `,e.missing.length,` missing: `,e.missing.join(`, `)]}),e.unchecked&&`; ${e.unchecked}`,`.`]})}var mr={closed:`Not connected`,connecting:`Connecting`,open:`Connected`,waiting:`Reconnecting`,dropped:`Dropped`,failed:`Refused`};function hr({panel:e,name:t,onRemove:n}){let r=e.kind.value,i=e.isActive.value,a={method:`GET`,path:e.path,token:Ot(e.who.value).token,stream:!0};return W(`section`,{class:`card panel`,"aria-label":t,"data-state":e.state.value.is,children:[W(`header`,{class:`panel-head`,children:[W(`h2`,{children:t}),W(Qt,{label:`Copy as curl`,text:Bn(`curl`,{...a,lastEventId:e.lastId.value})}),n&&W(`button`,{type:`button`,class:`quiet`,onClick:n,"aria-label":`Remove ${t}`,children:`Remove`})]}),W(`form`,{class:`row`,onSubmit:t=>{t.preventDefault(),i?e.disconnect():e.connect()},children:[W(Xt,{label:`Stream`,value:r.key,disabled:i,options:jn.map(({key:e,label:t})=>({value:e,label:t})),onValue:t=>{e.kind.value=jn.find(e=>e.key===t)??r,e.value.value=``}}),r.field&&W(Yt,{label:r.field.label,placeholder:r.field.placeholder,value:e.value.value,disabled:i,onValue:t=>e.value.value=t}),W(rn,{value:e.who.value,disabled:i,onValue:t=>e.who.value=t}),W(`button`,{type:`submit`,class:i?``:`primary`,children:i?`Disconnect`:`Connect`})]}),W(`p`,{class:`path mono faint`,children:[`GET `,e.path]}),W(gr,{panel:e}),W(ur,{panel:e})]})}function gr({panel:e}){let t=e.state.value,n=yr(t.is===`waiting`||t.is===`dropped`||t.is===`connecting`);return W(x,{children:[W(`dl`,{class:`facts`,children:[W(`div`,{children:[W(`dt`,{children:`State`}),W(`dd`,{"aria-live":`polite`,children:[W(`span`,{class:`dot ${t.is}`,"aria-hidden":`true`}),mr[t.is]]})]}),W(vr,{name:`Last id`,value:e.lastId.value,mono:!0}),W(vr,{name:`Latency`,value:e.latency.value===void 0?``:Vt(e.latency.value)}),W(vr,{name:`First byte`,value:e.connectTime.value===void 0?``:Vt(e.connectTime.value)}),W(vr,{name:`Reconnects`,value:zt(e.reconnects.value)}),W(vr,{name:`Events`,value:zt(e.received.value)})]}),W(_r,{panel:e,now:n}),(t.is===`open`||t.is===`dropped`)&&W(`p`,{class:`line resume-line`,children:[t.is===`open`?W(`button`,{type:`button`,onClick:()=>e.dropAndResume(),disabled:!e.lastId.value,children:`Drop and resume`}):W(`button`,{type:`button`,onClick:()=>e.resume(),children:`Resume now`}),W(`span`,{class:`hint`,children:t.is===`open`?`Cuts the connection for 3 s, comes back by the last id, compares what came with the log.`:`Away for another ${Vt(Math.max(0,(e.backAt.value??n)-n))}. Publish something meanwhile.`})]})]})}function _r({panel:e,now:t}){let n=e.state.value,[r,i]=R(t);if(B(()=>i(performance.now()),[n.is]),n.is===`failed`){let{status:e,code:t,message:r}=n.refusal;return W(`div`,{class:`trouble`,role:`alert`,children:[W(`p`,{children:[W(`span`,{class:`chip bad`,children:e===200?`ended`:e}),` `,t&&W(`code`,{children:t}),` `,r]}),nn(t)&&W(`p`,{class:`advice`,children:nn(t)})]})}return n.is===`waiting`?W(`p`,{class:`trouble mild`,role:`status`,children:[n.why,`. Trying again in `,Math.max(0,Math.ceil((n.until-t)/1e3)),` s`,e.lastId.value&&W(x,{children:[` `,`after `,W(`code`,{children:e.lastId.value})]}),`.`]}):n.is===`connecting`&&t-r>2500?W(`p`,{class:`trouble mild`,role:`status`,children:`Still waiting. A browser keeps six connections to one server over HTTP/1.1, in all tabs together, and each stream takes one: close another stream or tab.`}):null}function vr({name:e,value:t,mono:n}){return W(`div`,{children:[W(`dt`,{children:e}),W(`dd`,{class:n?`mono`:``,children:t||`–`})]})}function yr(e){let[t,n]=R(performance.now());return B(()=>{if(!e)return;n(performance.now());let t=setInterval(()=>n(performance.now()),200);return()=>clearInterval(t)},[e]),t}var br=U([]),xr=2;function Sr(){let e=br.value.map(e=>e.who.value),t=Dt.value.find(({key:t})=>!e.includes(t));br.value=[...br.value,new Ln(t?.key??``)]}function Cr(e){e.disconnect(),br.value=br.value.filter(t=>t!==e)}function wr({rest:e}){let t=e[0]===`chat`;return B(()=>{br.value.length===0&&Sr()},[]),W(x,{children:[W(`div`,{class:`view-head`,children:[W(`h1`,{children:t?`Chat room`:`Console`}),W(`p`,{class:`lead`,children:t?`Members, messages and who is typing, all of it over one event stream.`:`Open a stream, publish something, see it arrive. Break the connection and see what comes back.`}),W(`nav`,{class:`sub`,"aria-label":`Console`,children:[W(`a`,{href:`#/console`,"aria-current":t?void 0:`page`,children:`Streams`}),W(`a`,{href:`#/console/chat`,"aria-current":t?`page`:void 0,children:`Chat room`})]})]}),t?W(Cn,{}):W(`div`,{class:`console ${br.value.length>1?`two`:``}`,children:[W(`div`,{class:`panels`,children:[br.value.map((e,t)=>W(hr,{panel:e,name:br.value.length>1?`Stream ${t+1}`:`Stream`,...br.value.length>1?{onRemove:()=>Cr(e)}:{}},e)),br.value.length<xr&&W(`button`,{type:`button`,class:`add`,onClick:Sr,children:`+ A second user beside it`})]}),W(or,{panels:br.value})]})]})}var Tr=!0,Er=`uplot`,Dr=`u-hz`,Or=`u-vt`,kr=`u-title`,Ar=`u-wrap`,jr=`u-under`,Mr=`u-over`,Nr=`u-axis`,Pr=`u-off`,Fr=`u-select`,Ir=`u-cursor-x`,Lr=`u-cursor-y`,Rr=`u-cursor-pt`,zr=`u-legend`,Br=`u-live`,Vr=`u-inline`,Hr=`u-series`,Ur=`u-marker`,Wr=`u-label`,Gr=`u-value`,Kr=`width`,qr=`height`,Jr=`top`,Yr=`bottom`,Xr=`left`,Zr=`right`,Qr=`#000`,$r=`#0000`,ei=`mousemove`,ti=`mousedown`,ni=`mouseup`,ri=`mouseenter`,ii=`mouseleave`,ai=`dblclick`,oi=`resize`,si=`scroll`,ci=`change`,li=`dppxchange`,ui=`--`,di=typeof window<`u`,fi=di?document:null,pi=di?window:null,mi=di?navigator:null,J,hi;function gi(){let e=devicePixelRatio;J!=e&&(J=e,hi&&Ai(ci,hi,gi),hi=matchMedia(`(min-resolution: ${J-.001}dppx) and (max-resolution: ${J+.001}dppx)`),ki(ci,hi,gi),pi.dispatchEvent(new CustomEvent(li)))}function _i(e,t){if(t!=null){let n=e.classList;!n.contains(t)&&n.add(t)}}function vi(e,t){let n=e.classList;n.contains(t)&&n.remove(t)}function Y(e,t,n){e.style[t]=n+`px`}function yi(e,t,n,r){let i=fi.createElement(e);return t!=null&&_i(i,t),n?.insertBefore(i,r),i}function bi(e,t){return yi(`div`,e,t)}var xi=new WeakMap;function Si(e,t,n,r,i){let a=`translate(`+t+`px,`+n+`px)`;a!=xi.get(e)&&(e.style.transform=a,xi.set(e,a),t<0||n<0||t>r||n>i?_i(e,Pr):vi(e,Pr))}var Ci=new WeakMap;function wi(e,t,n){let r=t+n;r!=Ci.get(e)&&(Ci.set(e,r),e.style.background=t,e.style.borderColor=n)}var Ti=new WeakMap;function Ei(e,t,n,r){let i=t+``+n;i!=Ti.get(e)&&(Ti.set(e,i),e.style.height=n+`px`,e.style.width=t+`px`,e.style.marginLeft=r?-t/2+`px`:0,e.style.marginTop=r?-n/2+`px`:0)}var Di={passive:!0},Oi={...Di,capture:!0};function ki(e,t,n,r){t.addEventListener(e,n,r?Oi:Di)}function Ai(e,t,n,r){t.removeEventListener(e,n,Di)}di&&gi();function ji(e,t,n,r){let i;n||=0,r||=t.length-1;let a=r<=2147483647;for(;r-n>1;)i=a?n+r>>1:Qi((n+r)/2),t[i]<e?n=i:r=i;return e-t[n]<=t[r]-e?n:r}function Mi(e){return(t,n,r)=>{let i=-1,a=-1;for(let a=n;a<=r;a++)if(e(t[a])){i=a;break}for(let i=r;i>=n;i--)if(e(t[i])){a=i;break}return[i,a]}}var Ni=e=>e!=null,Pi=e=>e!=null&&e>0,Fi=Mi(Ni),Ii=Mi(Pi);function Li(e,t,n,r=0,i=!1){let a=i?Ii:Fi,o=i?Pi:Ni;[t,n]=a(e,t,n);let s=e[t],c=e[t];if(t>-1){if(r==1)s=e[t],c=e[n];else if(r==-1)s=e[n],c=e[t];else for(let r=t;r<=n;r++){let t=e[r];o(t)&&(t<s?s=t:t>c&&(c=t))}}return[s??la,c??-la]}function Ri(e,t,n,r){let i=ia(e),a=ia(t);e==t&&(i==-1?(e*=n,t/=n):(e/=n,t*=n));let o=n==10?aa:oa,s=i==1?Qi:ea,c=a==1?ea:Qi,l=s(o(Zi(e))),u=c(o(Zi(t))),d=ra(n,l),f=ra(n,u);return n==10&&(l<0&&(d=Q(d,-l)),u<0&&(f=Q(f,-u))),r||n==2?(e=d*i,t=f*a):(e=Ca(e,d),t=Sa(t,f)),[e,t]}function zi(e,t,n,r){let i=Ri(e,t,n,r);return e==0&&(i[0]=0),t==0&&(i[1]=0),i}var Bi=.1,Vi={mode:3,pad:Bi},Hi={pad:0,soft:null,mode:0},Ui={min:Hi,max:Hi};function Wi(e,t,n,r){return Pa(n)?Ki(e,t,n):(Hi.pad=n,Hi.soft=r?0:null,Hi.mode=r?3:0,Ki(e,t,Ui))}function X(e,t){return e??t}function Gi(e,t,n){for(t=X(t,0),n=X(n,e.length-1);t<=n;){if(e[t]!=null)return!0;t++}return!1}function Ki(e,t,n){let r=n.min,i=n.max,a=X(r.pad,0),o=X(i.pad,0),s=X(r.hard,-la),c=X(i.hard,la),l=X(r.soft,la),u=X(i.soft,-la),d=X(r.mode,0),f=X(i.mode,0),p=t-e,m=aa(p),h=na(Zi(e),Zi(t)),g=Zi(aa(h)-m);(p<1e-24||g>10)&&(p=0,(e==0||t==0)&&(p=1e-24,d==2&&l!=la&&(a=0),f==2&&u!=-la&&(o=0)));let _=p||h||1e3,v=ra(10,Qi(aa(_))),y=Q(Ca(e-_*(p==0?e==0?.1:1:a),v/10),24),b=e>=l&&(d==1||d==3&&y<=l||d==2&&y>=l)?l:la,x=na(s,y<b&&e>=b?b:ta(b,y)),S=Q(Sa(t+_*(p==0?t==0?.1:1:o),v/10),24),C=t<=u&&(f==1||f==3&&S>=u||f==2&&S<=u)?u:-la,w=ta(c,S>C&&t<=C?C:na(C,S));return x==w&&x==0&&(w=100),[x,w]}var qi=new Intl.NumberFormat(di?mi.language:`en-US`),Ji=e=>qi.format(e),Yi=Math,Xi=Yi.PI,Zi=Yi.abs,Qi=Yi.floor,$i=Yi.round,ea=Yi.ceil,ta=Yi.min,na=Yi.max,ra=Yi.pow,ia=Yi.sign,aa=Yi.log10,oa=Yi.log2,sa=(e,t=1)=>Yi.sinh(e)*t,ca=(e,t=1)=>Yi.asinh(e/t),la=1/0;function ua(e){return(aa((e^e>>31)-(e>>31))|0)+1}function da(e,t,n){return ta(na(e,t),n)}function fa(e){return typeof e==`function`}function Z(e){return fa(e)?e:()=>e}var pa=()=>{},ma=e=>e,ha=(e,t)=>t,ga=e=>null,_a=e=>!0,va=(e,t)=>e==t,ya=/\.\d*?(?=9{6,}|0{6,})/gm,ba=e=>{if(ja(e)||wa.has(e))return e;let t=`${e}`,n=t.match(ya);if(n==null)return e;let r=n[0].length-1;if(t.indexOf(`e-`)!=-1){let[e,n]=t.split(`e`);return+`${ba(e)}e${n}`}return Q(e,r)};function xa(e,t){return ba(Q(ba(e/t))*t)}function Sa(e,t){return ba(ea(ba(e/t))*t)}function Ca(e,t){return ba(Qi(ba(e/t))*t)}function Q(e,t=0){if(ja(e))return e;let n=10**t;return $i(e*n*(1+2**-52))/n}var wa=new Map;function Ta(e){return((``+e).split(`.`)[1]||``).length}function Ea(e,t,n,r){let i=[],a=r.map(Ta);for(let o=t;o<n;o++){let t=Zi(o),n=Q(ra(e,o),t);for(let s=0;s<r.length;s++){let c=e==10?+`${r[s]}e${o}`:r[s]*n,l=(o>=0?0:t)+(o>=a[s]?0:a[s]),u=e==10?c:Q(c,l);i.push(u),wa.set(u,l)}}return i}var Da={},Oa=[],ka=[null,null],Aa=Array.isArray,ja=Number.isInteger,Ma=e=>e===void 0;function Na(e){return typeof e==`string`}function Pa(e){let t=!1;if(e!=null){let n=e.constructor;t=n==null||n==Object}return t}function Fa(e){return typeof e==`object`&&!!e}var Ia=Object.getPrototypeOf(Uint8Array),La=`__proto__`;function Ra(e,t=Pa){let n;if(Aa(e)){let r=e.find(e=>e!=null);if(Aa(r)||t(r)){n=Array(e.length);for(let r=0;r<e.length;r++)n[r]=Ra(e[r],t)}else n=e.slice()}else if(e instanceof Ia)n=e.slice();else if(t(e)){n={};for(let r in e)r!=La&&(n[r]=Ra(e[r],t))}else n=e;return n}function za(e){let t=arguments;for(let n=1;n<t.length;n++){let r=t[n];for(let t in r)t!=La&&(Pa(e[t])?za(e[t],Ra(r[t])):e[t]=Ra(r[t]))}return e}var Ba=0,Va=1,Ha=2;function Ua(e,t,n){for(let r=0,i,a=-1;r<t.length;r++){let o=t[r];if(o>a){for(i=o-1;i>=0&&e[i]==null;)e[i--]=null;for(i=o+1;i<n&&e[i]==null;)e[a=i++]=null}}}function Wa(e,t){if(qa(e)){let t=e[0].slice();for(let n=1;n<e.length;n++)t.push(...e[n].slice(1));return Ja(t[0])||(t=Ka(t)),t}let n=new Set;for(let t=0;t<e.length;t++){let r=e[t][0],i=r.length;for(let e=0;e<i;e++)n.add(r[e])}let r=[Array.from(n).sort((e,t)=>e-t)],i=r[0].length,a=new Map;for(let e=0;e<i;e++)a.set(r[0][e],e);for(let n=0;n<e.length;n++){let o=e[n],s=o[0];for(let e=1;e<o.length;e++){let c=o[e],l=Array(i).fill(void 0),u=t?t[n][e]:Va,d=[];for(let e=0;e<c.length;e++){let t=c[e],n=a.get(s[e]);t===null?u!=Ba&&(l[n]=t,u==Ha&&d.push(n)):l[n]=t}Ua(l,d,i),r.push(l)}}return r}var Ga=typeof queueMicrotask>`u`?e=>Promise.resolve().then(e):queueMicrotask;function Ka(e){let t=e[0],n=t.length,r=Array(n);for(let e=0;e<r.length;e++)r[e]=e;r.sort((e,n)=>t[e]-t[n]);let i=[];for(let t=0;t<e.length;t++){let a=e[t],o=Array(n);for(let e=0;e<n;e++)o[e]=a[r[e]];i.push(o)}return i}function qa(e){let t=e[0][0],n=t.length;for(let r=1;r<e.length;r++){let i=e[r][0];if(i.length!=n)return!1;if(i!=t){for(let e=0;e<n;e++)if(i[e]!=t[e])return!1}}return!0}function Ja(e,t=100){let n=e.length;if(n<=1)return!0;let r=0,i=n-1;for(;r<=i&&e[r]==null;)r++;for(;i>=r&&e[i]==null;)i--;if(i<=r)return!0;let a=na(1,Qi((i-r+1)/t));for(let t=e[r],n=r+a;n<=i;n+=a){let r=e[n];if(r!=null){if(r<=t)return!1;t=r}}return!0}var Ya=[`January`,`February`,`March`,`April`,`May`,`June`,`July`,`August`,`September`,`October`,`November`,`December`],Xa=[`Sunday`,`Monday`,`Tuesday`,`Wednesday`,`Thursday`,`Friday`,`Saturday`];function Za(e){return e.slice(0,3)}var Qa=Xa.map(Za),$a={MMMM:Ya,MMM:Ya.map(Za),WWWW:Xa,WWW:Qa};function eo(e){return(e<10?`0`:``)+e}function to(e){return(e<10?`00`:e<100?`0`:``)+e}var no={YYYY:e=>e.getFullYear(),YY:e=>(e.getFullYear()+``).slice(2),MMMM:(e,t)=>t.MMMM[e.getMonth()],MMM:(e,t)=>t.MMM[e.getMonth()],MM:e=>eo(e.getMonth()+1),M:e=>e.getMonth()+1,DD:e=>eo(e.getDate()),D:e=>e.getDate(),WWWW:(e,t)=>t.WWWW[e.getDay()],WWW:(e,t)=>t.WWW[e.getDay()],HH:e=>eo(e.getHours()),H:e=>e.getHours(),h:e=>{let t=e.getHours();return t==0?12:t>12?t-12:t},AA:e=>e.getHours()>=12?`PM`:`AM`,aa:e=>e.getHours()>=12?`pm`:`am`,a:e=>e.getHours()>=12?`p`:`a`,mm:e=>eo(e.getMinutes()),m:e=>e.getMinutes(),ss:e=>eo(e.getSeconds()),s:e=>e.getSeconds(),fff:e=>to(e.getMilliseconds())};function ro(e,t){t||=$a;let n=[],r=/\{([a-z]+)\}|[^{]+/gi,i;for(;i=r.exec(e);)n.push(i[0][0]==`{`?no[i[1]]:i[0]);return e=>{let r=``;for(let i=0;i<n.length;i++)r+=typeof n[i]==`string`?n[i]:n[i](e,t);return r}}var io=new Intl.DateTimeFormat().resolvedOptions().timeZone;function ao(e,t){let n;return t==`UTC`||t==`Etc/UTC`?n=new Date(+e+e.getTimezoneOffset()*6e4):t==io?n=e:(n=new Date(e.toLocaleString(`en-US`,{timeZone:t})),n.setMilliseconds(e.getMilliseconds())),n}var oo=e=>e%1==0,so=[1,2,2.5,5],co=Ea(10,-32,0,so),lo=Ea(10,0,32,so),uo=lo.filter(oo),fo=co.concat(lo),po=`
`,mo=`{YYYY}`,ho=po+mo,go=`{M}/{D}`,_o=po+go,vo=_o+`/{YY}`,yo=`{aa}`,bo=`{h}:{mm}`+yo,xo=po+bo,So=`:{ss}`,$=null;function Co(e){let t=e*1e3,n=t*60,r=n*60,i=r*24,a=i*30,o=i*365,s=(e==1?Ea(10,0,3,so).filter(oo):Ea(10,-3,0,so)).concat([t,t*5,t*10,t*15,t*30,n,n*5,n*10,n*15,n*30,r,r*2,r*3,r*4,r*6,r*8,r*12,i,i*2,i*3,i*4,i*5,i*6,i*7,i*8,i*9,i*10,i*15,a,a*2,a*3,a*4,a*6,o,o*2,o*5,o*10,o*25,o*50,o*100]),c=[[o,mo,$,$,$,$,$,$,1],[i*28,`{MMM}`,ho,$,$,$,$,$,1],[i,go,ho,$,$,$,$,$,1],[r,`{h}`+yo,vo,$,_o,$,$,$,1],[n,bo,vo,$,_o,$,$,$,1],[t,So,vo+` `+bo,$,_o+` `+bo,$,xo,$,1],[e,So+`.{fff}`,vo+` `+bo,$,_o+` `+bo,$,xo,$,1]];function l(t){return(s,c,l,u,d,f)=>{let p=[],m=d>=o,h=d>=a&&d<o,g=t(l),_=Q(g*e,3),v=No(g.getFullYear(),m?0:g.getMonth(),h||m?1:g.getDate()),y=Q(v*e,3);if(h||m){let n=h?d/a:0,r=m?d/o:0,i=_==y?_:Q(No(v.getFullYear()+r,v.getMonth()+n,1)*e,3),s=new Date($i(i/e)),c=s.getFullYear(),l=s.getMonth();for(let a=0;i<=u;a++){let o=No(c+r*a,l+n*a,1),s=o-t(Q(o*e,3));i=Q((+o+s)*e,3),i<=u&&p.push(i)}}else{let a=d>=i?i:d,o=y+(Qi(l)-Qi(_))+Sa(_-y,a);p.push(o);let m=t(o),h=m.getHours()+m.getMinutes()/n+m.getSeconds()/r,g=d/r,v=f/s.axes[c]._space;for(;o=Q(o+d,e==1?0:3),!(o>u);)if(g>1){let e=Qi(Q(h+g,6))%24,n=t(o).getHours()-e;n>1&&(n=-1),o-=n*r,h=(h+g)%24;let i=p[p.length-1];Q((o-i)/d,3)*v>=.7&&p.push(o)}else p.push(o)}return p}}return[s,c,l]}var[wo,To,Eo]=Co(1),[Do,Oo,ko]=Co(.001);Ea(2,-53,53,[1]);function Ao(e,t){return e.map(e=>e.map((n,r)=>r==0||r==8||n==null?n:t(r==1||e[8]==0?n:e[1]+n)))}function jo(e,t){return(n,r,i,a,o)=>{let s=t.find(e=>o>=e[0])||t[t.length-1],c,l,u,d,f,p;return r.map(t=>{let n=e(t),r=n.getFullYear(),i=n.getMonth(),a=n.getDate(),o=n.getHours(),m=n.getMinutes(),h=n.getSeconds(),g=r!=c&&s[2]||i!=l&&s[3]||a!=u&&s[4]||o!=d&&s[5]||m!=f&&s[6]||h!=p&&s[7]||s[1];return c=r,l=i,u=a,d=o,f=m,p=h,g(n)})}}function Mo(e,t){let n=ro(t);return(t,r,i,a,o)=>r.map(t=>n(e(t)))}function No(e,t,n){return new Date(e,t,n)}function Po(e,t){return t(e)}var Fo=`{YYYY}-{MM}-{DD} {h}:{mm}{aa}`;function Io(e,t){return(n,r,i,a)=>a==null?ui:t(e(r))}function Lo(e,t){let n=e.series[t];return n.width?n.stroke(e,t):n.points.width?n.points.stroke(e,t):null}function Ro(e,t){return e.series[t].fill(e,t)}var zo={show:!0,live:!0,isolate:!1,mount:pa,markers:{show:!0,width:2,stroke:Lo,fill:Ro,dash:`solid`},idx:null,idxs:null,values:[]};function Bo(e,t){let n=e.cursor.points,r=bi(),i=n.size(e,t);Y(r,Kr,i),Y(r,qr,i);let a=i/-2;Y(r,`marginLeft`,a),Y(r,`marginTop`,a);let o=n.width(e,t,i);return o&&Y(r,`borderWidth`,o),r}function Vo(e,t){let n=e.series[t].points;return n._fill||n._stroke}function Ho(e,t){let n=e.series[t].points;return n._stroke||n._fill}function Uo(e,t){return e.series[t].points.size}var Wo=[0,0];function Go(e,t,n){return Wo[0]=t,Wo[1]=n,Wo}function Ko(e,t,n,r=!0){return e=>{e.button!=0||r&&e.target!=t||n(e)}}function qo(e,t,n,r=!0){return e=>{r&&e.target!=t||n(e)}}var Jo={show:!0,x:!0,y:!0,lock:!1,move:Go,points:{one:!1,show:Bo,size:Uo,width:0,stroke:Ho,fill:Vo},bind:{mousedown:Ko,mouseup:Ko,click:Ko,dblclick:Ko,mousemove:qo,mouseleave:qo,mouseenter:qo},drag:{setScale:!0,x:!0,y:!1,dist:0,uni:null,click:(e,t)=>{t.stopPropagation(),t.stopImmediatePropagation()},_x:!1,_y:!1},focus:{dist:(e,t,n,r,i)=>r-i,prox:-1,bias:0},hover:{skip:[void 0],prox:null,bias:0},left:-10,top:-10,idx:null,dataIdx:null,idxs:null,event:null},Yo={show:!0,stroke:`rgba(0,0,0,0.07)`,width:2},Xo=za({},Yo,{filter:ha}),Zo=za({},Xo,{size:10}),Qo=za({},Yo,{show:!1}),$o=`12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", sans-serif, "Apple Color Emoji", "Segoe UI Emoji", "Segoe UI Symbol", "Noto Color Emoji"`,es=`bold `+$o,ts=1.5,ns={show:!0,scale:`x`,stroke:Qr,space:50,gap:5,alignTo:1,size:50,labelGap:0,labelSize:30,labelFont:es,side:2,grid:Xo,ticks:Zo,border:Qo,font:$o,lineGap:ts,rotate:0},rs=`Value`,is=`Time`,as={show:!0,scale:`x`,auto:!1,sorted:1,min:la,max:-1/0,idxs:[]};function os(e,t,n,r,i){return t.map(e=>e==null?``:Ji(e))}function ss(e,t,n,r,i,a,o){let s=[],c=wa.get(i)||0;n=o?n:Q(Sa(n,i),c);for(let e=n;e<=r;e=Q(e+i,c))s.push(Object.is(e,-0)?0:e);return s}function cs(e,t,n,r,i,a,o){let s=[],c=e.scales[e.axes[t].scale].log;i=ra(c,Qi((c==10?aa:oa)(n))),c==10&&(i=fo[ji(i,fo)]);let l=n,u=i*c;c==10&&(u=fo[ji(u,fo)]);do s.push(l),l+=i,c==10&&!wa.has(l)&&(l=Q(l,wa.get(i))),l>=u&&(i=l,u=i*c,c==10&&(u=fo[ji(u,fo)]));while(l<=r);return s}function ls(e,t,n,r,i,a,o){let s=e.scales[e.axes[t].scale].asinh,c=r>s?cs(e,t,na(s,n),r,i):[s],l=r>=0&&n<=0?[0]:[];return(n<-s?cs(e,t,na(s,-r),-n,i):[s]).reverse().map(e=>-e).concat(l,c)}var us=/./,ds=/[12357]/,fs=/[125]/,ps=/1/,ms=(e,t,n,r)=>e.map((e,i)=>t==4&&e==0||i%r==0&&n.test(e.toExponential()[+(e<0)])?e:null);function hs(e,t,n,r,i){let a=e.axes[n],o=a.scale,s=e.scales[o],c=e.valToPos,l=a._space,u=c(10,o),d=c(9,o)-u>=l?us:c(7,o)-u>=l?ds:c(5,o)-u>=l?fs:ps;if(d==ps){let e=Zi(c(1,o)-u);if(e<l)return ms(t.slice().reverse(),s.distr,d,ea(l/e)).reverse()}return ms(t,s.distr,d,1)}function gs(e,t,n,r,i){let a=e.axes[n],o=a.scale,s=a._space,c=e.valToPos,l=Zi(c(1,o)-c(2,o));return l<s?ms(t.slice().reverse(),3,us,ea(s/l)).reverse():t}function _s(e,t,n,r){return r==null?ui:t==null?``:Ji(t)}var vs={show:!0,scale:`y`,stroke:Qr,space:30,gap:5,alignTo:1,size:50,labelGap:0,labelSize:30,labelFont:es,side:3,grid:Xo,ticks:Zo,border:Qo,font:$o,lineGap:ts,rotate:0};function ys(e,t){return Q((3+(e||1)*2)*t,3)}function bs(e,t){let{scale:n,idxs:r}=e.series[0],i=e._data[0],a=e.valToPos(i[r[0]],n,!0),o=Zi(e.valToPos(i[r[1]],n,!0)-a)/(e.series[t].points.space*J);return r[1]-r[0]<=o}var xs={scale:null,auto:!0,sorted:0,min:la,max:-1/0},Ss=(e,t,n,r,i)=>i,Cs={show:!0,auto:!0,sorted:0,gaps:Ss,alpha:1,facets:[za({},xs,{scale:`x`}),za({},xs,{scale:`y`})]},ws={scale:`y`,auto:!0,sorted:0,show:!0,spanGaps:!1,gaps:Ss,alpha:1,points:{show:bs,filter:null},values:null,min:la,max:-1/0,idxs:[],path:null,clip:null};function Ts(e,t,n,r,i){return n/10}var Es={time:Tr,auto:!0,distr:1,log:10,asinh:1,min:null,max:null,dir:1,ori:0},Ds=za({},Es,{time:!1,ori:1}),Os={};function ks(e,t){let n=Os[e];return n||(n={key:e,plots:[],sub(e){n.plots.push(e)},unsub(e){n.plots=n.plots.filter(t=>t!=e)},pub(e,t,r,i,a,o,s){for(let c=0;c<n.plots.length;c++)n.plots[c]!=t&&n.plots[c].pub(e,t,r,i,a,o,s)}},e!=null&&(Os[e]=n)),n}var As=1,js=2;function Ms(e,t,n){let r=e.mode,i=e.series[t],a=r==2?e._data[t]:e._data,o=e.scales,s=e.bbox,c=a[0],l=r==2?a[1]:a[t],u=r==2?o[i.facets[0].scale]:o[e.series[0].scale],d=r==2?o[i.facets[1].scale]:o[i.scale],f=s.left,p=s.top,m=s.width,h=s.height,g=e.valToPosH,_=e.valToPosV;return u.ori==0?n(i,c,l,u,d,g,_,f,p,m,h,Vs,Us,Gs,qs,Ys):n(i,c,l,u,d,_,g,p,f,h,m,Hs,Ws,Ks,Js,Xs)}function Ns(e,t){let n=0,r=0,i=X(e.bands,Oa);for(let e=0;e<i.length;e++){let a=i[e];a.series[0]==t?n=a.dir:a.series[1]==t&&(a.dir==1?r|=1:r|=2)}return[n,r==1?-1:r==2?1:r==3?2:0]}function Ps(e,t,n,r,i){let a=e.mode,o=e.series[t],s=a==2?o.facets[1].scale:o.scale,c=e.scales[s];return i==-1?c.min:i==1?c.max:c.distr==3?c.dir==1?c.min:c.max:0}function Fs(e,t,n,r,i,a){return Ms(e,t,(e,t,o,s,c,l,u,d,f,p,m)=>{let h=e.pxRound,g=s.dir*(s.ori==0?1:-1),_=s.ori==0?Us:Ws,v,y;g==1?(v=n,y=r):(v=r,y=n);let b=h(l(t[v],s,p,d)),x=h(u(o[v],c,m,f)),S=h(l(t[y],s,p,d)),C=h(u(a==1?c.max:c.min,c,m,f)),w=new Path2D(i);return _(w,S,C),_(w,b,C),_(w,b,x),w})}function Is(e,t,n,r,i,a){let o=null;if(e.length>0){o=new Path2D;let s=t==0?Gs:Ks,c=n;for(let t=0;t<e.length;t++){let n=e[t];if(n[1]>n[0]){let e=n[0]-c;e>0&&s(o,c,r,e,r+a),c=n[1]}}let l=n+i-c;l>0&&s(o,c,r-5,l,r+a+10)}return o}function Ls(e,t,n){let r=e[e.length-1];r&&r[0]==t?r[1]=n:e.push([t,n])}function Rs(e,t,n,r,i,a,o){let s=[],c=e.length;for(let l=i==1?n:r;l>=n&&l<=r;l+=i)if(t[l]===null){let u=l,d=l;if(i==1)for(;++l<=r&&t[l]===null;)d=l;else for(;--l>=n&&t[l]===null;)d=l;let f=a(e[u]),p=d==u?f:a(e[d]),m=u-i;f=o<=0&&m>=0&&m<c?a(e[m]):f;let h=d+i;p=o>=0&&h>=0&&h<c?a(e[h]):p,p>=f&&s.push([f,p])}return s}function zs(e){return e==0?ma:e==1?$i:t=>xa(t,e)}function Bs(e){let t=e==0?Vs:Hs,n=e==0?(e,t,n,r,i,a)=>{e.arcTo(t,n,r,i,a)}:(e,t,n,r,i,a)=>{e.arcTo(n,t,i,r,a)},r=e==0?(e,t,n,r,i)=>{e.rect(t,n,r,i)}:(e,t,n,r,i)=>{e.rect(n,t,i,r)};return(e,i,a,o,s,c=0,l=0)=>{c==0&&l==0?r(e,i,a,o,s):(c=ta(c,o/2,s/2),l=ta(l,o/2,s/2),t(e,i+c,a),n(e,i+o,a,i+o,a+s,c),n(e,i+o,a+s,i,a+s,l),n(e,i,a+s,i,a,l),n(e,i,a,i+o,a,c),e.closePath())}}var Vs=(e,t,n)=>{e.moveTo(t,n)},Hs=(e,t,n)=>{e.moveTo(n,t)},Us=(e,t,n)=>{e.lineTo(t,n)},Ws=(e,t,n)=>{e.lineTo(n,t)},Gs=Bs(0),Ks=Bs(1),qs=(e,t,n,r,i,a)=>{e.arc(t,n,r,i,a)},Js=(e,t,n,r,i,a)=>{e.arc(n,t,r,i,a)},Ys=(e,t,n,r,i,a,o)=>{e.bezierCurveTo(t,n,r,i,a,o)},Xs=(e,t,n,r,i,a,o)=>{e.bezierCurveTo(n,t,i,r,o,a)};function Zs(e){return(e,t,n,r,i)=>Ms(e,t,(t,a,o,s,c,l,u,d,f,p,m)=>{let{pxRound:h,points:g}=t,_,v;s.ori==0?(_=Vs,v=qs):(_=Hs,v=Js);let y=Q(g.width*J,3),b=(g.size-g.width)/2*J,x=Q(b*2,3),S=new Path2D,C=new Path2D,{left:w,top:T,width:E,height:D}=e.bbox;Gs(C,w-x,T-x,E+x*2,D+x*2);let O=e=>{if(o[e]!=null){let t=h(l(a[e],s,p,d)),n=h(u(o[e],c,m,f));_(S,t+b,n),v(S,t,n,b,0,Xi*2)}};if(i)i.forEach(O);else for(let e=n;e<=r;e++)O(e);return{stroke:y>0?S:null,fill:S,clip:C,flags:3}})}function Qs(e){return(t,n,r,i,a,o)=>{r!=i&&(a!=r&&o!=r&&e(t,n,r),a!=i&&o!=i&&e(t,n,i),e(t,n,o))}}var $s=Qs(Us),ec=Qs(Ws);function tc(e){let t=X(e?.alignGaps,0);return(e,n,r,i)=>Ms(e,n,(a,o,s,c,l,u,d,f,p,m,h)=>{[r,i]=Fi(s,r,i);let g=a.pxRound,_=e=>g(u(e,c,m,f)),v=e=>g(d(e,l,h,p)),y,b;c.ori==0?(y=Us,b=$s):(y=Ws,b=ec);let x=c.dir*(c.ori==0?1:-1),S={stroke:new Path2D,fill:null,clip:null,band:null,gaps:null,flags:As},C=S.stroke,w=!1;if(i-r>=m*4){let t=t=>e.posToVal(t,c.key,!0),n=null,a=null,l,u,d,f=_(o[x==1?r:i]),p=_(o[r]),m=_(o[i]),h=t(x==1?p+1:m-1);for(let e=x==1?r:i;e>=r&&e<=i;e+=x){let r=o[e],i=(x==1?r<h:r>h)?f:_(r),c=s[e];i==f?c==null?c===null&&(w=!0):(u=c,n==null?(y(C,i,v(u)),l=n=a=u):u<n?n=u:u>a&&(a=u)):(n!=null&&b(C,f,v(n),v(a),v(l),v(u)),c==null?(n=a=null,c===null&&(w=!0)):(u=c,y(C,i,v(u)),n=a=l=u),f=i,h=t(f+x))}n!=null&&n!=a&&d!=f&&b(C,f,v(n),v(a),v(l),v(u))}else for(let e=x==1?r:i;e>=r&&e<=i;e+=x){let t=s[e];t===null?w=!0:t!=null&&y(C,_(o[e]),v(t))}let[T,E]=Ns(e,n);if(a.fill!=null||T!=0){let t=S.fill=new Path2D(C),s=v(a.fillTo(e,n,a.min,a.max,T)),c=_(o[r]),l=_(o[i]);x==-1&&([l,c]=[c,l]),y(t,l,s),y(t,c,s)}if(!a.spanGaps){let l=[];w&&l.push(...Rs(o,s,r,i,x,_,t)),S.gaps=l=a.gaps(e,n,r,i,l),S.clip=Is(l,c.ori,f,p,m,h)}return E!=0&&(S.band=E==2?[Fs(e,n,r,i,C,-1),Fs(e,n,r,i,C,1)]:Fs(e,n,r,i,C,E)),S})}function nc(e){let t=X(e.align,1),n=X(e.ascDesc,!1),r=X(e.alignGaps,0),i=X(e.extend,!1);return(e,a,o,s)=>Ms(e,a,(c,l,u,d,f,p,m,h,g,_,v)=>{[o,s]=Fi(u,o,s);let y=c.pxRound,{left:b,width:x}=e.bbox,S=e=>y(p(e,d,_,h)),C=e=>y(m(e,f,v,g)),w=d.ori==0?Us:Ws,T={stroke:new Path2D,fill:null,clip:null,band:null,gaps:null,flags:As},E=T.stroke,D=d.dir*(d.ori==0?1:-1),O=C(u[D==1?o:s]),k=S(l[D==1?o:s]),ee=k,A=k;i&&t==-1&&(A=b,w(E,A,O)),w(E,k,O);for(let e=D==1?o:s;e>=o&&e<=s;e+=D){let n=u[e];if(n==null)continue;let r=S(l[e]),i=C(n);t==1?w(E,r,O):w(E,ee,i),w(E,r,i),O=i,ee=r}let te=ee;i&&t==1&&(te=b+x,w(E,te,O));let[ne,re]=Ns(e,a);if(c.fill!=null||ne!=0){let t=T.fill=new Path2D(E),n=C(c.fillTo(e,a,c.min,c.max,ne));w(t,te,n),w(t,A,n)}if(!c.spanGaps){let i=[];i.push(...Rs(l,u,o,s,D,S,r));let f=c.width*J/2,p=n||t==1?f:-f,m=n||t==-1?-f:f;i.forEach(e=>{e[0]+=p,e[1]+=m}),T.gaps=i=c.gaps(e,a,o,s,i),T.clip=Is(i,d.ori,h,g,_,v)}return re!=0&&(T.band=re==2?[Fs(e,a,o,s,E,-1),Fs(e,a,o,s,E,1)]:Fs(e,a,o,s,E,re)),T})}function rc(e,t,n,r,i,a,o=la){if(e.length>1){let s=null;for(let c=0,l=1/0;c<e.length;c++)if(t[c]!==void 0){if(s!=null){let t=Zi(e[c]-e[s]);t<l&&(l=t,o=Zi(n(e[c],r,i,a)-n(e[s],r,i,a)))}s=c}}return o}function ic(e){e||=Da;let t=X(e.size,[.6,la,1]),n=e.align||0,r=e.gap||0,i=e.radius;i=i==null?[0,0]:typeof i==`number`?[i,0]:i;let a=Z(i),o=1-t[0],s=X(t[1],la),c=X(t[2],1),l=X(e.disp,Da),u=X(e.each,e=>{}),{fill:d,stroke:f}=l;return(e,t,i,p)=>Ms(e,t,(m,h,g,_,v,y,b,x,S,C,w)=>{let T=m.pxRound,E=n,D=r*J,O=s*J,k=c*J,ee,A;_.ori==0?[ee,A]=a(e,t):[A,ee]=a(e,t);let te=_.dir*(_.ori==0?1:-1),ne=_.ori==0?Gs:Ks,re=_.ori==0?u:(e,t,n,r,i,a,o)=>{u(e,t,n,i,r,o,a)},ie=X(e.bands,Oa).find(e=>e.series[0]==t),ae=ie==null?0:ie.dir,oe=m.fillTo(e,t,m.min,m.max,ae),j=T(b(oe,v,w,S)),M,N,se,P=C,F=T(m.width*J),ce=!1,I=null,le=null,ue=null,de=null;d!=null&&(F==0||f!=null)&&(ce=!0,I=d.values(e,t,i,p),le=new Map,new Set(I).forEach(e=>{e!=null&&le.set(e,new Path2D)}),F>0&&(ue=f.values(e,t,i,p),de=new Map,new Set(ue).forEach(e=>{e!=null&&de.set(e,new Path2D)})));let{x0:fe,size:pe}=l;if(fe!=null&&pe!=null){E=1,h=fe.values(e,t,i,p),fe.unit==2&&(h=h.map(t=>e.posToVal(x+t*C,_.key,!0)));let n=pe.values(e,t,i,p);N=pe.unit==2?n[0]*C:y(n[0],_,C,x)-y(0,_,C,x),P=rc(h,g,y,_,C,x,P),se=P-N+D}else P=rc(h,g,y,_,C,x,P),se=P*o+D,N=P-se;se<1&&(se=0),F>=N/2&&(F=0),se<5&&(T=ma);let me=se>0,L=P-se-(me?F:0);N=T(da(L,k,O)),M=(E==0?N/2:E==te?0:N)-E*te*((E==0?D/2:0)+(me?F/2:0));let he={stroke:null,fill:null,clip:null,band:null,gaps:null,flags:0},ge=ce?null:new Path2D,_e=null;if(ie!=null)_e=e.data[ie.series[1]];else{let{y0:n,y1:r}=l;n!=null&&r!=null&&(g=r.values(e,t,i,p),_e=n.values(e,t,i,p))}let ve=ee*N,ye=A*N;for(let n=te==1?i:p;n>=i&&n<=p;n+=te){let r=g[n];if(r==null)continue;if(_e!=null){let e=_e[n]??0;if(r-e==0)continue;j=b(e,v,w,S)}let i=y(_.distr!=2||l!=null?h[n]:n,_,C,x),a=b(X(r,oe),v,w,S),o=T(i-M),s=T(na(a,j)),c=T(ta(a,j)),u=s-c;if(r!=null){let i=r<0?ye:ve,a=r<0?ve:ye;ce?(F>0&&ue[n]!=null&&ne(de.get(ue[n]),o,c+Qi(F/2),N,na(0,u-F),i,a),I[n]!=null&&ne(le.get(I[n]),o,c+Qi(F/2),N,na(0,u-F),i,a)):ne(ge,o,c+Qi(F/2),N,na(0,u-F),i,a),re(e,t,n,o-F/2,c,N+F,u)}}return F>0?he.stroke=ce?de:ge:ce||(he._fill=m.width==0?m._fill:m._stroke??m._fill,he.width=0),he.fill=ce?le:ge,he})}function ac(e,t){let n=X(t?.alignGaps,0);return(t,r,i,a)=>Ms(t,r,(o,s,c,l,u,d,f,p,m,h,g)=>{[i,a]=Fi(c,i,a);let _=o.pxRound,v=e=>_(d(e,l,h,p)),y=e=>_(f(e,u,g,m)),b,x,S;l.ori==0?(b=Vs,S=Us,x=Ys):(b=Hs,S=Ws,x=Xs);let C=l.dir*(l.ori==0?1:-1),w=v(s[C==1?i:a]),T=w,E=[],D=[];for(let e=C==1?i:a;e>=i&&e<=a;e+=C)if(c[e]!=null){let t=s[e],n=v(t);E.push(T=n),D.push(y(c[e]))}let O={stroke:e(E,D,b,S,x,_),fill:null,clip:null,band:null,gaps:null,flags:As},k=O.stroke,[ee,A]=Ns(t,r);if(o.fill!=null||ee!=0){let e=O.fill=new Path2D(k),n=y(o.fillTo(t,r,o.min,o.max,ee));S(e,T,n),S(e,w,n)}if(!o.spanGaps){let e=[];e.push(...Rs(s,c,i,a,C,v,n)),O.gaps=e=o.gaps(t,r,i,a,e),O.clip=Is(e,l.ori,p,m,h,g)}return A!=0&&(O.band=A==2?[Fs(t,r,i,a,k,-1),Fs(t,r,i,a,k,1)]:Fs(t,r,i,a,k,A)),O})}function oc(e){return ac(sc,e)}function sc(e,t,n,r,i,a){let o=e.length;if(o<2)return null;let s=new Path2D;if(n(s,e[0],t[0]),o==2)r(s,e[1],t[1]);else{let n=Array(o),r=Array(o-1),a=Array(o-1),c=Array(o-1);for(let n=0;n<o-1;n++)a[n]=t[n+1]-t[n],c[n]=e[n+1]-e[n],r[n]=a[n]/c[n];n[0]=r[0];for(let e=1;e<o-1;e++)r[e]===0||r[e-1]===0||r[e-1]>0!=r[e]>0?n[e]=0:(n[e]=3*(c[e-1]+c[e])/((2*c[e]+c[e-1])/r[e-1]+(c[e]+2*c[e-1])/r[e]),isFinite(n[e])||(n[e]=0));n[o-1]=r[o-2];for(let r=0;r<o-1;r++)i(s,e[r]+c[r]/3,t[r]+n[r]*c[r]/3,e[r+1]-c[r]/3,t[r+1]-n[r+1]*c[r]/3,e[r+1],t[r+1])}return s}var cc=new Set;function lc(){for(let e of cc)e.syncRect(!0)}di&&(ki(oi,pi,lc),ki(si,pi,lc,!0),ki(li,pi,()=>{Tc.pxRatio=J}));var uc=tc(),dc=Zs();function fc(e,t,n,r){return(r?[e[0],e[1]].concat(e.slice(2)):[e[0]].concat(e.slice(1))).map((e,r)=>mc(e,r,t,n))}function pc(e,t){return e.map((e,n)=>n==0?{}:za({},t,e))}function mc(e,t,n,r){return za({},t==0?n:r,e)}function hc(e,t,n){return t==null?ka:[t,n]}var gc=hc;function _c(e,t,n){return t==null?ka:Wi(t,n,Bi,!0)}function vc(e,t,n,r){return t==null?ka:Ri(t,n,e.scales[r].log,!1)}var yc=vc;function bc(e,t,n,r){return t==null?ka:zi(t,n,e.scales[r].log,!1)}var xc=bc;function Sc(e,t,n,r,i){let a=na(ua(e),ua(t)),o=t-e,s=ji(i/r*o,n);do{let e=n[s],t=r*e/o;if(t>=i&&a+(e<5?wa.get(e):0)<=17)return[e,t]}while(++s<n.length);return[0,0]}function Cc(e){let t,n;return e=e.replace(/(\d+)px/,(e,r)=>(t=$i((n=+r)*J))+`px`),[e,t,n]}function wc(e){e.show&&[e.font,e.labelFont].forEach(e=>{let t=Q(e[2]*J,1);e[0]=e[0].replace(/[0-9.]+px/,t+`px`),e[1]=t})}function Tc(e,t,n){let r={mode:X(e.mode,1)},i=r.mode;function a(e,t,n,r){let i=t.valToPct(e);return r+n*(t.dir==-1?1-i:i)}function o(e,t,n,r){let i=t.valToPct(e);return r+n*(t.dir==-1?i:1-i)}function s(e,t,n,r){return t.ori==0?a(e,t,n,r):o(e,t,n,r)}r.valToPosH=a,r.valToPosV=o;let c=!1;r.status=0;let l=r.root=bi(Er);if(e.id!=null&&(l.id=e.id),_i(l,e.class),e.title){let t=bi(kr,l);t.textContent=e.title}let u=yi(`canvas`),d=r.ctx=u.getContext(`2d`),f=bi(Ar,l);ki(`click`,f,e=>{e.target===m&&(G!=$t||K!=en)&&an.click(r,e)},!0);let p=r.under=bi(jr,f);f.appendChild(u);let m=r.over=bi(Mr,f);e=Ra(e);let h=+X(e.pxAlign,1),g=zs(h);(e.plugins||[]).forEach(t=>{t.opts&&(e=t.opts(r,e)||e)});let _=e.ms||.001,v=r.series=i==1?fc(e.series||[],as,ws,!1):pc(e.series||[null],Cs),y=r.axes=fc(e.axes||[],ns,vs,!0),b=r.scales={},x=r.bands=e.bands||[];x.forEach(e=>{e.fill=Z(e.fill||null),e.dir=X(e.dir,-1)});let S=i==2?v[1].facets[0].scale:v[0].scale,C={axes:Rt,series:Dt},w=(e.drawOrder||[`axes`,`series`]).map(e=>C[e]);function T(e){let t=e.distr==3?t=>aa(t>0?t:e.clamp(r,t,e.min,e.max,e.key)):e.distr==4?t=>ca(t,e.asinh):e.distr==100?t=>e.fwd(t):e=>e;return n=>{let r=t(n),{_min:i,_max:a}=e,o=a-i;return(r-i)/o}}function E(t){let n=b[t];if(n==null){let r=(e.scales||Da)[t]||Da;if(r.from!=null){E(r.from);let e=za({},b[r.from],r,{key:t});e.valToPct=T(e),b[t]=e}else{n=b[t]=za({},t==S?Es:Ds,r),n.key=t;let e=n.time,a=n.range,o=Aa(a);if((t!=S||i==2&&!e)&&(o&&(a[0]==null||a[1]==null)&&(a={min:a[0]==null?Vi:{mode:1,hard:a[0],soft:a[0]},max:a[1]==null?Vi:{mode:1,hard:a[1],soft:a[1]}},o=!1),!o&&Pa(a))){let e=a;a=(t,n,r)=>n==null?ka:Wi(n,r,e)}n.range=Z(a||(e?gc:t==S?n.distr==3?yc:n.distr==4?xc:hc:n.distr==3?vc:n.distr==4?bc:_c)),n.auto=Z(!o&&n.auto),n.clamp=Z(n.clamp||Ts),n._min=n._max=null,n.valToPct=T(n)}}}E(`x`),E(`y`),i==1&&v.forEach(e=>{E(e.scale)}),y.forEach(e=>{E(e.scale)});for(let t in e.scales)E(t);let D=b[S],O=D.distr,k,ee;D.ori==0?(_i(l,Dr),k=a,ee=o):(_i(l,Or),k=o,ee=a);let A={};for(let e in b){let t=b[e];(t.min!=null||t.max!=null)&&(A[e]={min:t.min,max:t.max},t.min=t.max=null)}let te=e.tzDate||(e=>new Date($i(e/_))),ne=e.fmtDate||ro,re=_==1?Eo(te):ko(te),ie=jo(te,Ao(_==1?To:Oo,ne)),ae=Io(te,Po(Fo,ne)),oe=[],j=r.legend=za({},zo,e.legend),M=r.cursor=za({},Jo,{drag:{y:i==2}},e.cursor),N=j.show,se=M.show,P=j.markers;j.idxs=oe,P.width=Z(P.width),P.dash=Z(P.dash),P.stroke=Z(P.stroke),P.fill=Z(P.fill);let F,ce,I,le=[],ue=[],de,fe=!1,pe={};if(j.live){let e=v[1]?v[1].values:null;fe=e!=null,de=fe?e(r,1,0):{_:0};for(let e in de)pe[e]=ui}if(N){if(F=yi(`table`,zr,l),I=yi(`tbody`,null,F),j.mount(r,F),fe){ce=yi(`thead`,null,F,I);let e=yi(`tr`,null,ce);for(var me in yi(`th`,null,e),de)yi(`th`,Wr,e).textContent=me}else _i(F,Vr),j.live&&_i(F,Br)}let L={show:!0},he={show:!1};function ge(e,t){if(t==0&&(fe||!j.live||i==2))return ka;let n=[],a=yi(`tr`,Hr,I,I.childNodes[t]);_i(a,e.class),e.show||_i(a,Pr);let o=yi(`th`,null,a);if(P.show){let e=bi(Ur,o);if(t>0){let n=P.width(r,t);n&&(e.style.border=n+`px `+P.dash(r,t)+` `+P.stroke(r,t)),e.style.background=P.fill(r,t)}}let s=bi(Wr,o);for(var c in e.label instanceof HTMLElement?s.appendChild(e.label):s.textContent=e.label,t>0&&(P.show||(s.style.color=e.width>0?P.stroke(r,t):P.fill(r,t)),ve(`click`,o,t=>{if(M._lock)return;He(t);let n=v.indexOf(e);if((t.ctrlKey||t.metaKey)!=j.isolate){let e=v.some((e,t)=>t>0&&t!=n&&e.show);v.forEach((t,r)=>{r>0&&fn(r,e?r==n?L:he:L,!0,Zn.setSeries)})}else fn(n,{show:!e.show},!0,Zn.setSeries)},!1),Ge&&ve(ri,o,t=>{M._lock||(He(t),fn(v.indexOf(e),bn,!0,Zn.setSeries))},!1)),de){let e=yi(`td`,Gr,a);e.textContent=`--`,n.push(e)}return[a,n]}let _e=new Map;function ve(e,t,n,i=!0){let a=_e.get(t)||{},o=M.bind[e](r,t,n,i);o&&(ki(e,t,a[e]=o),_e.set(t,a))}function ye(e,t,n){let r=_e.get(t)||{};for(let n in r)(e==null||n==e)&&(Ai(n,t,r[n]),delete r[n]);e??_e.delete(t)}let be=0,xe=0,R=0,z=0,B=0,Se=0,Ce=B,we=Se,Te=R,Ee=z,De=0,Oe=0,ke=0,Ae=0;r.bbox={};let je=!1,Me=!1,Ne=!1,Pe=!1,Fe=!1,Ie=!1;function Le(e,t,n){(n||e!=r.width||t!=r.height)&&V(e,t),zt(!1),Ne=!0,Me=!0,Wt()}function V(e,t){r.width=be=R=e,r.height=xe=z=t,B=Se=0,Be(),Ve();let n=r.bbox;De=n.left=xa(B*J,.5),Oe=n.top=xa(Se*J,.5),ke=n.width=xa(R*J,.5),Ae=n.height=xa(z*J,.5)}function Re(){let e=!1,t=0;for(;!e;){t++;let n=It(t),i=Lt(t);e=t==3||n&&i,e||(V(r.width,r.height),Me=!0)}}function ze({width:e,height:t}){Le(e,t)}r.setSize=ze;function Be(){let e=!1,t=!1,n=!1,r=!1;y.forEach((i,a)=>{if(i.show&&i._show){let{side:a,_size:o}=i,s=a%2,c=o+(i.label==null?0:i.labelSize);c>0&&(s?(R-=c,a==3?(B+=c,r=!0):n=!0):(z-=c,a==0?(Se+=c,e=!0):t=!0))}}),Qe[0]=e,Qe[1]=n,Qe[2]=t,Qe[3]=r,R-=nt[1]+nt[3],B+=nt[3],z-=nt[2]+nt[0],Se+=nt[0]}function Ve(){let e=B+R,t=Se+z,n=B,r=Se;function i(i,a){switch(i){case 1:return e+=a,e-a;case 2:return t+=a,t-a;case 3:return n-=a,n+a;case 0:return r-=a,r+a}}y.forEach((e,t)=>{if(e.show&&e._show){let t=e.side;e._pos=i(t,e._size),e.label!=null&&(e._lpos=i(t,e.labelSize))}})}if(M.dataIdx==null){let e=M.hover,n=e.skip=new Set(e.skip??[]);n.add(void 0);let r=e.prox=Z(e.prox),i=e.bias??=0;M.dataIdx=(e,a,o,s)=>{if(a==0)return o;let c=o,l=r(e,a,o,s)??la,u=l>=0&&l<la,d=D.ori==0?R:z,f=M.left,p=t[0],m=t[a];if(n.has(m[o])){c=null;let e=null,t=null,r;if(i==0||i==-1)for(r=o;e==null&&r-->0;)n.has(m[r])||(e=r);if(i==0||i==1)for(r=o;t==null&&r++<m.length;)n.has(m[r])||(t=r);if(e!=null||t!=null){if(u){let n=e==null?-1/0:k(p[e],D,d,0),r=t==null?1/0:k(p[t],D,d,0),i=f-n,a=r-f;i<=a?i<=l&&(c=e):a<=l&&(c=t)}else c=t==null?e:e==null?t:o-e<=t-o?e:t}}else u&&Zi(f-k(p[o],D,d,0))>l&&(c=null);return c}}let He=e=>{M.event=e};M.idxs=oe,M._lock=!1;let Ue=M.points;Ue.show=Z(Ue.show),Ue.size=Z(Ue.size),Ue.stroke=Z(Ue.stroke),Ue.width=Z(Ue.width),Ue.fill=Z(Ue.fill);let We=r.focus=za({},e.focus||{alpha:.3},M.focus),Ge=We.prox>=0,Ke=Ge&&Ue.one,H=[],U=[],qe=[];function Je(e,t){let n=Ue.show(r,t);if(n instanceof HTMLElement)return _i(n,Rr),_i(n,e.class),Si(n,-10,-10,R,z),m.insertBefore(n,H[t]),n}function Ye(e,t){if(i==1||t>0){let t=i==1&&b[e.scale].time,n=e.value;e.value=t?Na(n)?Io(te,Po(n,ne)):n||ae:n||_s,e.label=e.label||(t?is:rs)}if(Ke||t>0){e.width=e.width==null?1:e.width,e.paths=e.paths||uc||ga,e.fillTo=Z(e.fillTo||Ps),e.pxAlign=+X(e.pxAlign,h),e.pxRound=zs(e.pxAlign),e.stroke=Z(e.stroke||null),e.fill=Z(e.fill||null),e._stroke=e._fill=e._paths=e._focus=null;let t=ys(na(1,e.width),1),n=e.points=za({},{size:t,width:na(1,t*.2),stroke:e.stroke,space:t*2,paths:dc,_stroke:null,_fill:null},e.points);n.show=Z(n.show),n.filter=Z(n.filter),n.fill=Z(n.fill),n.stroke=Z(n.stroke),n.paths=Z(n.paths),n.pxAlign=e.pxAlign}if(N){let n=ge(e,t);le.splice(t,0,n[0]),ue.splice(t,0,n[1]),j.values.push(null)}if(se){oe.splice(t,0,null);let n=null;Ke?t==0&&(n=Je(e,t)):t>0&&(n=Je(e,t)),H.splice(t,0,n),U.splice(t,0,0),qe.splice(t,0,0)}Yn(`addSeries`,t)}function Xe(e,t){t??=v.length,e=i==1?mc(e,t,as,ws):mc(e,t,{},Cs),v.splice(t,0,e),Ye(v[t],t)}r.addSeries=Xe;function Ze(e){if(v.splice(e,1),N){j.values.splice(e,1),ue.splice(e,1);let t=le.splice(e,1)[0];ye(null,t.firstChild),t.remove()}se&&(oe.splice(e,1),H.splice(e,1)[0].remove(),U.splice(e,1),qe.splice(e,1)),Yn(`delSeries`,e)}r.delSeries=Ze;let Qe=[!1,!1,!1,!1];function $e(e,t){if(e._show=e.show,e.show){let n=e.side%2,i=b[e.scale];i??=(e.scale=n?v[1].scale:S,b[e.scale]);let a=i.time;e.size=Z(e.size),e.space=Z(e.space),e.rotate=Z(e.rotate),Aa(e.incrs)&&e.incrs.forEach(e=>{!wa.has(e)&&wa.set(e,Ta(e))}),e.incrs=Z(e.incrs||(i.distr==2?uo:a?_==1?wo:Do:fo)),e.splits=Z(e.splits||(a&&i.distr==1?re:i.distr==3?cs:i.distr==4?ls:ss)),e.stroke=Z(e.stroke),e.grid.stroke=Z(e.grid.stroke),e.ticks.stroke=Z(e.ticks.stroke),e.border.stroke=Z(e.border.stroke);let o=e.values;e.values=Aa(o)&&!Aa(o[0])?Z(o):a?Aa(o)?jo(te,Ao(o,ne)):Na(o)?Mo(te,o):o||ie:o||os,e.filter=Z(e.filter||(i.distr>=3&&i.log==10?hs:i.distr==3&&i.log==2?gs:ha)),e.font=Cc(e.font),e.labelFont=Cc(e.labelFont),e._size=e.size(r,null,t,0),e._space=e._rotate=e._incrs=e._found=e._splits=e._values=null,e._size>0&&(Qe[t]=!0,e._el=bi(Nr,f))}}function et(e,t,n,r){let[i,a,o,s]=n,c=t%2,l=0;return c==0&&(s||a)&&(l=t==0&&!i||t==2&&!o?$i(ns.size/3):0),c==1&&(i||o)&&(l=t==1&&!a||t==3&&!s?$i(vs.size/2):0),l}let tt=r.padding=(e.padding||[et,et,et,et]).map(e=>Z(X(e,et))),nt=r._padding=tt.map((e,t)=>e(r,t,Qe,0)),rt,it=null,at=null,ot=i==1?v[0].idxs:null,st=null,ct=!1;function lt(e,n){if(t=e??[],r.data=r._data=t,i==2){rt=0;for(let e=1;e<v.length;e++)rt+=t[e][0].length}else{t.length==0&&(r.data=r._data=t=[[]]),st=t[0],rt=st.length;let e=t;if(O==2){e=t.slice();let n=e[0]=Array(rt);for(let e=0;e<rt;e++)n[e]=e}r._data=t=e}if(zt(!0),Yn(`setData`),O==2&&(Ne=!0),n!==!1){let e=D;e.auto(r,ct)?ut():dn(S,e.min,e.max),Pe||=M.left>=0,Ie=!0,Wt()}}r.setData=lt;function ut(){ct=!0;let e,n;i==1&&(rt>0?(it=ot[0]=0,at=ot[1]=rt-1,e=t[0][it],n=t[0][at],O==2?(e=it,n=at):e==n&&(O==3?[e,n]=Ri(e,e,D.log,!1):O==4?[e,n]=zi(e,e,D.log,!1):D.time?n=e+$i(86400/_):[e,n]=Wi(e,n,Bi,!0))):(it=ot[0]=e=null,at=ot[1]=n=null)),dn(S,e,n)}let dt,ft,pt,mt,ht,gt,_t,vt,yt,bt;function xt(e,t,n,r,i,a){e??=$r,n??=Oa,r??=`butt`,i??=$r,a??=`round`,e!=dt&&(d.strokeStyle=dt=e),i!=ft&&(d.fillStyle=ft=i),t!=pt&&(d.lineWidth=pt=t),a!=ht&&(d.lineJoin=ht=a),r!=gt&&(d.lineCap=gt=r),n!=mt&&d.setLineDash(mt=n)}function St(e,t,n,r){t!=ft&&(d.fillStyle=ft=t),e!=_t&&(d.font=_t=e),n!=vt&&(d.textAlign=vt=n),r!=yt&&(d.textBaseline=yt=r)}function Ct(e,t,n,i,a=0){if(i.length>0&&e.auto(r,ct)&&(t==null||t.min==null)){let t=X(it,0),r=X(at,i.length-1),o=n.min==null?Li(i,t,r,a,e.distr==3):[n.min,n.max];e.min=ta(e.min,n.min=o[0]),e.max=na(e.max,n.max=o[1])}}let wt={min:null,max:null};function Tt(){for(let e in b){let t=b[e];A[e]==null&&(t.min==null||A[S]!=null&&t.auto(r,ct))&&(A[e]=wt)}for(let e in b){let t=b[e];A[e]==null&&t.from!=null&&A[t.from]!=null&&(A[e]=wt)}A[S]!=null&&zt(!0);let e={};for(let t in A){let n=A[t];if(n!=null){let a=e[t]=Ra(b[t],Fa);if(n.min!=null)za(a,n);else if(t!=S||i==2){if(rt==0&&a.from==null){let e=a.range(r,null,null,t);a.min=e[0],a.max=e[1]}else a.min=la,a.max=-1/0}}}if(rt>0){v.forEach((n,a)=>{if(i==1){let i=n.scale,o=A[i];if(o==null)return;let s=e[i];if(a==0){let e=s.range(r,s.min,s.max,i);s.min=e[0],s.max=e[1],it=ji(s.min,t[0]),at=ji(s.max,t[0]),at-it>1&&(t[0][it]<s.min&&it++,t[0][at]>s.max&&at--),n.min=st[it],n.max=st[at]}else n.show&&n.auto&&Ct(s,o,n,t[a],n.sorted);n.idxs[0]=it,n.idxs[1]=at}else if(a>0&&n.show&&n.auto){let[r,i]=n.facets,o=r.scale,s=i.scale,[c,l]=t[a],u=e[o],d=e[s];u!=null&&Ct(u,A[o],r,c,r.sorted),d!=null&&Ct(d,A[s],i,l,i.sorted),n.min=i.min,n.max=i.max}});for(let t in e){let n=e[t],i=A[t];if(n.from==null&&(i==null||i.min==null)){let e=n.range(r,n.min==la?null:n.min,n.max==-1/0?null:n.max,t);n.min=e[0],n.max=e[1]}}}for(let t in e){let n=e[t];if(n.from!=null){let i=e[n.from];if(i.min==null)n.min=n.max=null;else{let e=n.range(r,i.min,i.max,t);n.min=e[0],n.max=e[1]}}}let n={},a=!1;for(let t in e){let r=e[t],i=b[t];if(i.min!=r.min||i.max!=r.max){i.min=r.min,i.max=r.max;let e=i.distr;i._min=e==3?aa(i.min):e==4?ca(i.min,i.asinh):e==100?i.fwd(i.min):i.min,i._max=e==3?aa(i.max):e==4?ca(i.max,i.asinh):e==100?i.fwd(i.max):i.max,n[t]=a=!0}}if(a){v.forEach((e,t)=>{i==2?t>0&&n.y&&(e._paths=null):n[e.scale]&&(e._paths=null)});for(let e in n)Ne=!0,Yn(`setScale`,e);se&&M.left>=0&&(Pe=Ie=!0)}for(let e in A)A[e]=null}function Et(e){let t=da(it-1,0,rt-1),n=da(at+1,0,rt-1);for(;e[t]==null&&t>0;)t--;for(;e[n]==null&&n<rt-1;)n++;return[t,n]}function Dt(){if(rt>0){let e=v.some(e=>e._focus)&&bt!=We.alpha;e&&(d.globalAlpha=bt=We.alpha),v.forEach((e,n)=>{if(n>0&&e.show&&(Ot(n,!1),Ot(n,!0),e._paths==null)){let a=bt;bt!=e.alpha&&(d.globalAlpha=bt=e.alpha);let o=i==2?[0,t[n][0].length-1]:Et(t[n]);e._paths=e.paths(r,n,o[0],o[1]),bt!=a&&(d.globalAlpha=bt=a)}}),v.forEach((e,t)=>{if(t>0&&e.show){let n=bt;bt!=e.alpha&&(d.globalAlpha=bt=e.alpha),e._paths!=null&&kt(t,!1);{let n=e._paths==null?null:e._paths.gaps,i=e.points.show(r,t,it,at,n),a=e.points.filter(r,t,i,n);(i||a)&&(e.points._paths=e.points.paths(r,t,it,at,a),kt(t,!0))}bt!=n&&(d.globalAlpha=bt=n),Yn(`drawSeries`,t)}}),e&&(d.globalAlpha=bt=1)}}function Ot(e,t){let n=t?v[e].points:v[e];n._stroke=n.stroke(r,e),n._fill=n.fill(r,e)}function kt(e,t){let n=t?v[e].points:v[e],{stroke:r,fill:i,clip:a,flags:o,_stroke:s=n._stroke,_fill:c=n._fill,_width:l=n.width}=n._paths;l=Q(l*J,3);let u=null,f=l%2/2;t&&c==null&&(c=l>0?`#fff`:s);let p=n.pxAlign==1&&f>0;if(p&&d.translate(f,f),!t){let e=De-l/2,t=Oe-l/2,n=ke+l,r=Ae+l;u=new Path2D,u.rect(e,t,n,r)}t?jt(s,l,n.dash,n.cap,c,r,i,o,a):At(e,s,l,n.dash,n.cap,c,r,i,o,u,a),p&&d.translate(-f,-f)}function At(e,n,i,a,o,s,c,l,u,d,f){let p=!1;u!=0&&x.forEach((m,h)=>{if(m.series[0]==e){let e=v[m.series[1]],g=t[m.series[1]],_=(e._paths||Da).band;Aa(_)&&(_=m.dir==1?_[0]:_[1]);let y,b=null;e.show&&_&&Gi(g,it,at)?(b=m.fill(r,h)||s,y=e._paths.clip):_=null,jt(n,i,a,o,b,c,l,u,d,f,y,_),p=!0}}),p||jt(n,i,a,o,s,c,l,u,d,f)}function jt(e,t,n,r,i,a,o,s,c,l,u,f){xt(e,t,n,r,i),(c||l||f)&&(d.save(),c&&d.clip(c),l&&d.clip(l)),f?(s&3)==3?(d.clip(f),u&&d.clip(u),Nt(i,o),Mt(e,a,t)):s&js?(Nt(i,o),d.clip(f),Mt(e,a,t)):s&As&&(d.save(),d.clip(f),u&&d.clip(u),Nt(i,o),d.restore(),Mt(e,a,t)):(Nt(i,o),Mt(e,a,t)),(c||l||f)&&d.restore()}function Mt(e,t,n){n>0&&(t instanceof Map?t.forEach((e,t)=>{d.strokeStyle=dt=t,d.stroke(e)}):t!=null&&e&&d.stroke(t))}function Nt(e,t){t instanceof Map?t.forEach((e,t)=>{d.fillStyle=ft=t,d.fill(e)}):t!=null&&e&&d.fill(t)}function Pt(e,t,n,i){let a=y[e],o;if(i<=0)o=[0,0];else{let s=a._space=a.space(r,e,t,n,i);o=Sc(t,n,a._incrs=a.incrs(r,e,t,n,i,s),i,s)}return a._found=o}function Ft(e,t,n,r,i,a,o,s,c,l){let u=o%2/2;h==1&&d.translate(u,u),xt(s,o,c,l,s),d.beginPath();let f,p,m,g,_=i+(r==0||r==3?-a:a);n==0?(p=i,g=_):(f=i,m=_);for(let r=0;r<e.length;r++)t[r]!=null&&(n==0?f=m=e[r]:p=g=e[r],d.moveTo(f,p),d.lineTo(m,g));d.stroke(),h==1&&d.translate(-u,-u)}function It(e){let t=!0;return y.forEach((n,i)=>{if(!n.show)return;let a=b[n.scale];if(a.min==null){n._show&&(t=!1,n._show=!1,zt(!1));return}n._show||(t=!1,n._show=!0,zt(!1));let o=n.side,s=o%2,{min:c,max:l}=a,[u,d]=Pt(i,c,l,s==0?R:z);if(d==0)return;let f=a.distr==2,p=n._splits=n.splits(r,i,c,l,u,d,f),m=a.distr==2?p.map(e=>st[e]):p,h=a.distr==2?st[p[1]]-st[p[0]]:u,g=n._values=n.values(r,n.filter(r,m,i,d,h),i,d,h);n._rotate=o==2?n.rotate(r,g,i,d):0;let _=n._size;n._size=ea(n.size(r,g,i,e)),_!=null&&n._size!=_&&(t=!1)}),t}function Lt(e){let t=!0;return tt.forEach((n,i)=>{let a=n(r,i,Qe,e);a!=nt[i]&&(t=!1),nt[i]=a}),t}function Rt(){for(let e=0;e<y.length;e++){let t=y[e];if(!t.show||!t._show)continue;let n=t.side,i=n%2,a,o,c=t.stroke(r,e),l=n==0||n==3?-1:1,[u,f]=t._found;if(t.label!=null){let s=t.labelGap*l,p=$i((t._lpos+s)*J);St(t.labelFont[0],c,`center`,n==2?Jr:Yr),d.save(),i==1?(a=o=0,d.translate(p,$i(Oe+Ae/2)),d.rotate((n==3?-Xi:Xi)/2)):(a=$i(De+ke/2),o=p);let m=fa(t.label)?t.label(r,e,u,f):t.label;d.fillText(m,a,o),d.restore()}if(f==0)continue;let p=b[t.scale],m=i==0?ke:Ae,h=i==0?De:Oe,_=t._splits,v=p.distr==2?_.map(e=>st[e]):_,x=p.distr==2?st[_[1]]-st[_[0]]:u,S=t.ticks,C=t.border,w=S.show?S.size:0,T=$i(w*J),E=$i((t.alignTo==2?t._size-w-t.gap:t.gap)*J),D=t._rotate*-Xi/180,O=g(t._pos*J),k=O+(T+E)*l;o=i==0?k:0,a=i==1?k:0;let ee=t.font[0];St(ee,c,t.align==1?Xr:t.align==2?Zr:D>0?Xr:D<0?Zr:i==0?`center`:n==3?Zr:Xr,D||i==1?`middle`:n==2?Jr:Yr);let A=t.font[1]*t.lineGap,te=_.map(e=>g(s(e,p,m,h))),ne=t._values;for(let e=0;e<ne.length;e++){let t=ne[e];if(t!=null){i==0?a=te[e]:o=te[e],t=``+t;let n=t.indexOf(`
`)==-1?[t]:t.split(/\n/gm);for(let e=0;e<n.length;e++){let t=n[e];D?(d.save(),d.translate(a,o+e*A),d.rotate(D),d.fillText(t,0,0),d.restore()):d.fillText(t,a,o+e*A)}}}S.show&&Ft(te,S.filter(r,v,e,f,x),i,n,O,T,Q(S.width*J,3),S.stroke(r,e),S.dash,S.cap);let re=t.grid;re.show&&Ft(te,re.filter(r,v,e,f,x),i,i==0?2:1,i==0?Oe:De,i==0?Ae:ke,Q(re.width*J,3),re.stroke(r,e),re.dash,re.cap),C.show&&Ft([O],[1],+(i==0),i==0?1:2,i==1?Oe:De,i==1?Ae:ke,Q(C.width*J,3),C.stroke(r,e),C.dash,C.cap)}Yn(`drawAxes`)}function zt(e){v.forEach((t,n)=>{n>0&&(t._paths=null,e&&(i==1?(t.min=null,t.max=null):t.facets.forEach(e=>{e.min=null,e.max=null})))})}let Bt=!1,Vt=!1,Ht=[];function Ut(){Vt=!1;for(let e=0;e<Ht.length;e++)Yn(...Ht[e]);Ht.length=0}function Wt(){Bt||=(Ga(Kt),!0)}function Gt(e,t=!1){Bt=!0,Vt=t,e(r),Kt(),t&&Ht.length>0&&queueMicrotask(Ut)}r.batch=Gt;function Kt(){if(je&&=(Tt(),!1),Ne&&=(Re(),!1),Me){if(Y(p,Xr,B),Y(p,Jr,Se),Y(p,Kr,R),Y(p,qr,z),Y(m,Xr,B),Y(m,Jr,Se),Y(m,Kr,R),Y(m,qr,z),Y(f,Kr,be),Y(f,qr,xe),u.width=$i(be*J),u.height=$i(xe*J),y.forEach(({_el:e,_show:t,_size:n,_pos:r,side:i})=>{if(e!=null){if(t){let t=i===3||i===0?n:0,a=i%2==1;Y(e,a?`left`:`top`,r-t),Y(e,a?`width`:`height`,n),Y(e,a?`top`:`left`,a?Se:B),Y(e,a?`height`:`width`,a?z:R),vi(e,Pr)}else _i(e,Pr)}}),dt=ft=pt=ht=gt=_t=vt=yt=mt=null,bt=1,Nn(!0),B!=Ce||Se!=we||R!=Te||z!=Ee){zt(!1);let e=R/Te,t=z/Ee;if(se&&!Pe&&M.left>=0){M.left*=e,M.top*=t,Yt&&Si(Yt,$i(M.left),0,R,z),Xt&&Si(Xt,0,$i(M.top),R,z);for(let n=0;n<H.length;n++){let r=H[n];r!=null&&(U[n]*=e,qe[n]*=t,Si(r,ea(U[n]),ea(qe[n]),R,z))}}if(q.show&&!Fe&&q.left>=0&&q.width>0){q.left*=e,q.width*=e,q.top*=t,q.height*=t;for(let e in In)Y(cn,e,q[e])}Ce=B,we=Se,Te=R,Ee=z}Yn(`setSize`),Me=!1}be>0&&xe>0&&(d.clearRect(0,0,u.width,u.height),Yn(`drawClear`),w.forEach(e=>e()),Yn(`draw`)),q.show&&Fe&&(ln(q),Fe=!1),se&&Pe&&(jn(null,!0,!1),Pe=!1),j.show&&j.live&&Ie&&(kn(),Ie=!1),c||(c=!0,r.status=1,Yn(`ready`)),ct=!1,Bt=!1}r.redraw=(e,t)=>{Ne=t||!1,e===!1?Wt():dn(S,D.min,D.max)};function qt(e,n){let i=b[e];if(i.from==null){if(rt==0){let t=i.range(r,n.min,n.max,e);n.min=t[0],n.max=t[1]}if(n.min>n.max){let e=n.min;n.min=n.max,n.max=e}if(rt>1&&n.min!=null&&n.max!=null&&n.max-n.min<1e-16)return;e==S&&i.distr==2&&rt>0&&(n.min=ji(n.min,t[0]),n.max=ji(n.max,t[0]),n.min==n.max&&n.max++),A[e]=n,je=!0,Wt()}}r.setScale=qt;let W,Jt,Yt,Xt,Zt,Qt,$t,en,tn,nn,G,K,rn=!1,an=M.drag,on=an.x,sn=an.y;se&&(M.x&&(W=bi(Ir,m)),M.y&&(Jt=bi(Lr,m)),D.ori==0?(Yt=W,Xt=Jt):(Yt=Jt,Xt=W),G=M.left,K=M.top);let q=r.select=za({show:!0,over:!0,left:0,width:0,top:0,height:0},e.select),cn=q.show?bi(Fr,q.over?m:p):null;function ln(e,t){if(q.show){for(let t in e)q[t]=e[t],t in In&&Y(cn,t,e[t]);t!==!1&&Yn(`setSelect`)}}r.setSelect=ln;function un(e){if(v[e].show)N&&vi(le[e],Pr);else if(N&&_i(le[e],Pr),se){let t=Ke?H[0]:H[e];t!=null&&Si(t,-10,-10,R,z)}}function dn(e,t,n){qt(e,{min:t,max:n})}function fn(e,t,n,a){t.focus!=null&&xn(e),t.show!=null&&v.forEach((n,r)=>{r>0&&(e==r||e==null)&&(n.show=t.show,un(r),i==2?(dn(n.facets[0].scale,null,null),dn(n.facets[1].scale,null,null)):dn(n.scale,null,null),Wt())}),n!==!1&&Yn(`setSeries`,e,t),a&&er(`setSeries`,r,e,t)}r.setSeries=fn;function pn(e,t){za(x[e],t)}function mn(e,t){e.fill=Z(e.fill||null),e.dir=X(e.dir,-1),t??=x.length,x.splice(t,0,e)}function hn(e){e==null?x.length=0:x.splice(e,1)}r.addBand=mn,r.setBand=pn,r.delBand=hn;function gn(e,t){v[e].alpha=t,se&&H[e]!=null&&(H[e].style.opacity=t),N&&le[e]&&(le[e].style.opacity=t)}let _n,vn,yn,bn={focus:!0};function xn(e){if(e!=yn){let t=e==null,n=We.alpha!=1;v.forEach((r,a)=>{if(i==1||a>0){let i=t||a==0||a==e;r._focus=t?null:i,n&&gn(a,i?1:We.alpha)}}),yn=e,n&&Wt()}}N&&Ge&&ve(ii,F,e=>{M._lock||(He(e),yn!=null&&fn(null,bn,!0,Zn.setSeries))});function Sn(e,t,n){let r=b[t];n&&(e=e/J-(r.ori==1?Se:B));let i=R;r.ori==1&&(i=z,e=i-e),r.dir==-1&&(e=i-e);let a=r._min,o=r._max,s=e/i,c=a+(o-a)*s,l=r.distr;return l==3?ra(10,c):l==4?sa(c,r.asinh):l==100?r.bwd(c):c}function Cn(e,n){return ji(Sn(e,S,n),t[0],it,at)}r.valToIdx=e=>ji(e,t[0]),r.posToIdx=Cn,r.posToVal=Sn,r.valToPos=(e,t,n)=>b[t].ori==0?a(e,b[t],n?ke:R,n?De:0):o(e,b[t],n?Ae:z,n?Oe:0),r.setCursor=(e,t,n)=>{G=e.left,K=e.top,jn(null,t,n)};function wn(e,t){Y(cn,Xr,q.left=e),Y(cn,Kr,q.width=t)}function Tn(e,t){Y(cn,Jr,q.top=e),Y(cn,qr,q.height=t)}let En=D.ori==0?wn:Tn,Dn=D.ori==1?wn:Tn;function On(){if(N&&j.live)for(let e=+(i==2);e<v.length;e++){if(e==0&&fe)continue;let t=j.values[e],n=0;for(let r in t)ue[e][n++].firstChild.nodeValue=t[r]}}function kn(e,t){if(e!=null&&(e.idxs?e.idxs.forEach((e,t)=>{oe[t]=e}):Ma(e.idx)||oe.fill(e.idx),j.idx=oe[0]),N&&j.live){for(let e=0;e<v.length;e++)(e>0||i==1&&!fe)&&An(e,oe[e]);On()}Ie=!1,t!==!1&&Yn(`setLegend`)}r.setLegend=kn;function An(e,n){let i=v[e],a=e==0&&O==2?st:t[e],o;fe?o=i.values(r,e,n)??pe:(o=i.value(r,n==null?null:a[n],e,n),o=o==null?pe:{_:o}),j.values[e]=o}function jn(e,n,a){tn=G,nn=K,[G,K]=M.move(r,G,K),M.left=G,M.top=K,se&&(Yt&&Si(Yt,$i(G),0,R,z),Xt&&Si(Xt,0,$i(K),R,z));let o,s=it>at;_n=la,vn=null;let c=D.ori==0?R:z,l=D.ori==1?R:z;if(G<0||rt==0||s){o=M.idx=null;for(let e=0;e<v.length;e++){let t=H[e];t!=null&&Si(t,-10,-10,R,z)}Ge&&fn(null,bn,!0,e==null&&Zn.setSeries),j.live&&(oe.fill(o),Ie=!0)}else{let e,n,a;i==1&&(e=D.ori==0?G:K,n=Sn(e,S),o=M.idx=ji(n,t[0],it,at),a=k(t[0][o],D,c,0));let s=-10,u=-10,d=0,f=0,p=!0,m=``,h=``;for(let e=+(i==2);e<v.length;e++){let g=v[e],_=oe[e],y=_==null?null:i==1?t[e][_]:t[e][1][_],x=M.dataIdx(r,e,o,n),S=x==null?null:i==1?t[e][x]:t[e][1][x];if(Ie=Ie||S!=y||x!=_,oe[e]=x,e>0&&g.show){let n=x==null?-10:x==o?a:k(i==1?t[0][x]:t[e][0][x],D,c,0),_=S==null?-10:ee(S,i==1?b[g.scale]:b[g.facets[1].scale],l,0);if(Ge&&S!=null){let t=D.ori==1?G:K,n=Zi(We.dist(r,e,x,_,t));if(n<_n){let r=We.bias;if(r!=0){let i=Sn(t,g.scale),a=S>=0?1:-1,o=i>=0?1:-1;o==a&&(o==1?r==1?S>=i:S<=i:r==1?S<=i:S>=i)&&(_n=n,vn=e)}else _n=n,vn=e}}if(Ie||Ke){let t,i;D.ori==0?(t=n,i=_):(t=_,i=n);let a,o,c,l,g,v,y=!0,b=Ue.bbox;if(b!=null){y=!1;let t=b(r,e);c=t.left,l=t.top,a=t.width,o=t.height}else c=t,l=i,a=o=Ue.size(r,e);if(v=Ue.fill(r,e),g=Ue.stroke(r,e),Ke)e==vn&&_n<=We.prox&&(s=c,u=l,d=a,f=o,p=y,m=v,h=g);else{let t=H[e];t!=null&&(U[e]=c,qe[e]=l,Ei(t,a,o,y),wi(t,v,g),Si(t,ea(c),ea(l),R,z))}}}}if(Ke){let e=We.prox;if(Ie||(yn==null?_n<=e:_n>e||vn!=yn)){let e=H[0];e!=null&&(U[0]=s,qe[0]=u,Ei(e,d,f,p),wi(e,m,h),Si(e,ea(s),ea(u),R,z))}}}if(q.show&&rn){if(e!=null){let[t,n]=Zn.scales,[r,i]=Zn.match,[a,o]=e.cursor.sync.scales,s=e.cursor.drag;if(on=s._x,sn=s._y,on||sn){let{left:s,top:u,width:d,height:f}=e.select,p=e.scales[a].ori,m=e.posToVal,h,g,_,v,y,x=t!=null&&r(t,a),S=n!=null&&i(n,o);x&&on?(p==0?(h=s,g=d):(h=u,g=f),_=b[t],v=k(m(h,a),_,c,0),y=k(m(h+g,a),_,c,0),En(ta(v,y),Zi(y-v))):En(0,c),S&&sn?(p==1?(h=s,g=d):(h=u,g=f),_=b[n],v=ee(m(h,o),_,l,0),y=ee(m(h+g,o),_,l,0),Dn(ta(v,y),Zi(y-v))):Dn(0,l)}else Ln()}else{let e=Zi(tn-Zt),t=Zi(nn-Qt);if(D.ori==1){let n=e;e=t,t=n}on=an.x&&e>=an.dist,sn=an.y&&t>=an.dist;let n=an.uni;n==null?an.x&&an.y&&(on||sn)&&(on=sn=!0):on&&sn&&(on=e>=n,sn=t>=n,!on&&!sn&&(t>e?sn=!0:on=!0));let r,i;on&&(D.ori==0?(r=$t,i=G):(r=en,i=K),En(ta(r,i),Zi(i-r)),sn||Dn(0,l)),sn&&(D.ori==1?(r=$t,i=G):(r=en,i=K),Dn(ta(r,i),Zi(i-r)),on||En(0,c)),!on&&!sn&&(En(0,0),Dn(0,0))}}if(an._x=on,an._y=sn,e==null){if(a){if(Qn!=null){let[e,t]=Zn.scales;Zn.values[0]=e==null?null:Sn(D.ori==0?G:K,e),Zn.values[1]=t==null?null:Sn(D.ori==1?G:K,t)}er(ei,r,G,K,R,z,o)}if(Ge){let e=a&&Zn.setSeries,t=We.prox;yn==null?_n<=t&&fn(vn,bn,!0,e):_n>t?fn(null,bn,!0,e):vn!=yn&&fn(vn,bn,!0,e)}}Ie&&(j.idx=o,kn()),n!==!1&&Yn(`setCursor`)}let Mn=null;Object.defineProperty(r,"rect",{get(){return Mn??Nn(!1),Mn}});function Nn(e=!1){e?Mn=null:(Mn=m.getBoundingClientRect(),Yn(`syncRect`,Mn))}function Pn(e,t,n,r,i,a,o){M._lock||rn&&e!=null&&e.movementX==0&&e.movementY==0||(Fn(e,t,n,r,i,a,o,!1,e!=null),e==null?jn(t,!0,!1):jn(null,!0,!0))}function Fn(e,t,n,i,a,o,c,l,u){if(Mn??Nn(!1),He(e),e!=null)n=e.clientX-Mn.left,i=e.clientY-Mn.top;else{if(n<0||i<0){G=-10,K=-10;return}let[e,r]=Zn.scales,c=t.cursor.sync,[l,u]=c.values,[d,f]=c.scales,[p,m]=Zn.match,h=t.axes[0].side%2==1,g=D.ori==0?R:z,_=D.ori==1?R:z,v=h?o:a,y=h?a:o,x=h?i:n,S=h?n:i;if(n=d==null?x/v*g:p(e,d)?s(l,b[e],g,0):-10,i=f==null?S/y*_:m(r,f)?s(u,b[r],_,0):-10,D.ori==1){let e=n;n=i,i=e}}u&&(t==null||t.cursor.event.type==ei)&&((n<=1||n>=R-1)&&(n=xa(n,R)),(i<=1||i>=z-1)&&(i=xa(i,z))),l?(Zt=n,Qt=i,[$t,en]=M.move(r,n,i)):(G=n,K=i)}let In={width:0,height:0,left:0,top:0};function Ln(){ln(In,!1)}let Rn,zn,Bn,Vn;function Hn(e,t,n,i,a,o,s){rn=!0,on=sn=an._x=an._y=!1,Fn(e,t,n,i,a,o,s,!0,!1),e!=null&&(ve(ni,fi,Un,!1),er(ti,r,$t,en,R,z,null));let{left:c,top:l,width:u,height:d}=q;Rn=c,zn=l,Bn=u,Vn=d}function Un(e,t,n,i,a,o,s){rn=an._x=an._y=!1,Fn(e,t,n,i,a,o,s,!1,!0);let{left:c,top:l,width:u,height:d}=q,f=u>0||d>0,p=Rn!=c||zn!=l||Bn!=u||Vn!=d;if(f&&p&&ln(q),an.setScale&&f&&p){let e=c,t=u,n=l,r=d;if(D.ori==1&&(e=l,t=d,n=c,r=u),on&&dn(S,Sn(e,S),Sn(e+t,S)),sn)for(let e in b){let t=b[e];e!=S&&t.from==null&&t.min!=la&&dn(e,Sn(n+r,e),Sn(n,e))}Ln()}else M.lock&&(M._lock=!M._lock,jn(t,!0,e!=null));e!=null&&(ye(ni,fi),er(ni,r,G,K,R,z,null))}function Wn(e,t,n,r,i,a,o){if(M._lock)return;He(e);let s=rn;if(rn){let e=!0,t=!0,n,r;D.ori==0?(n=on,r=sn):(n=sn,r=on),n&&r&&(e=G<=10||G>=R-10,t=K<=10||K>=z-10),n&&e&&(G=G<$t?0:R),r&&t&&(K=K<en?0:z),jn(null,!0,!0),rn=!1}G=-10,K=-10,oe.fill(null),jn(null,!0,!0),s&&(rn=s)}function Gn(e,t,n,i,a,o,s){M._lock||(He(e),ut(),Ln(),e!=null&&er(ai,r,G,K,R,z,null))}function Kn(){y.forEach(wc),Le(r.width,r.height,!0)}ki(li,pi,Kn);let qn={};qn.mousedown=Hn,qn.mousemove=Pn,qn.mouseup=Un,qn.dblclick=Gn,qn.setSeries=(e,t,n,i)=>{let a=Zn.match[2];n=a(r,t,n),n!=-1&&fn(n,i,!0,!1)},se&&(ve(ti,m,Hn),ve(ei,m,Pn),ve(ri,m,e=>{He(e),Nn(!1)}),ve(ii,m,Wn),ve(ai,m,Gn),cc.add(r),r.syncRect=Nn);let Jn=r.hooks=e.hooks||{};function Yn(e,t,n){Vt?Ht.push([e,t,n]):e in Jn&&Jn[e].forEach(e=>{e.call(null,r,t,n)})}(e.plugins||[]).forEach(e=>{for(let t in e.hooks)Jn[t]=(Jn[t]||[]).concat(e.hooks[t])});let Xn=(e,t,n)=>n,Zn=za({key:null,setSeries:!1,filters:{pub:_a,sub:_a},scales:[S,v[1]?v[1].scale:null],match:[va,va,Xn],values:[null,null]},M.sync);Zn.match.length==2&&Zn.match.push(Xn),M.sync=Zn;let Qn=Zn.key,$n=ks(Qn);function er(e,t,n,r,i,a,o){Zn.filters.pub(e,t,n,r,i,a,o)&&$n.pub(e,t,n,r,i,a,o)}$n.sub(r);function tr(e,t,n,r,i,a,o){Zn.filters.sub(e,t,n,r,i,a,o)&&qn[e](null,t,n,r,i,a,o)}r.pub=tr;function nr(){$n.unsub(r),cc.delete(r),_e.clear(),Ai(li,pi,Kn),l.remove(),F?.remove(),Yn(`destroy`)}r.destroy=nr;function rr(){Yn(`init`,e,t),lt(t||e.data,!1),A[S]?qt(S,A[S]):ut(),Fe=q.show&&(q.width>0||q.height>0),Pe=Ie=!0,Le(e.width,e.height)}return v.forEach(Ye),y.forEach($e),n?n instanceof HTMLElement?(n.appendChild(l),rr()):n(r,rr):rr(),r}Tc.assign=za,Tc.fmtNum=Ji,Tc.rangeNum=Wi,Tc.rangeLog=Ri,Tc.rangeAsinh=zi,Tc.orient=Ms,Tc.pxRatio=J,Tc.join=Wa,Tc.fmtDate=ro,Tc.tzDate=ao,Tc.sync=ks;{Tc.addGap=Ls,Tc.clipGaps=Is;let e=Tc.paths={points:Zs};e.linear=tc,e.stepped=nc,e.bars=ic,e.spline=oc}var Ec=180,Dc=[1,2,5,10,15,30,60,120,300],Oc=[0,1,2,3,4,5,6].flatMap(e=>[1,2,5].map(t=>t*10**e));function kc({title:e,times:t,lines:n,write:r}){let i=Ce(null),a=Ce(void 0),o=Mc(),s=n.map(({label:e,color:t})=>`${e} ${t}`).join(`|`);B(()=>{let e=i.current;if(!e)return;let o=t=>(e.style.color=`var(${t})`,getComputedStyle(e).color),s={stroke:o(`--faint`),grid:{stroke:o(`--line`),width:1},ticks:{show:!1},font:`11px system-ui`},c=new Tc({width:e.clientWidth,height:Ec,padding:[8,8,0,0],cursor:{y:!1,points:{size:5}},legend:{live:!0},scales:{x:{time:!0},y:{range:(e,t,n)=>[0,Math.max(1,n*1.1)]}},axes:[{...s,size:26,incrs:Dc,values:(e,t)=>t.map(jc)},{...s,size:52,incrs:Oc,values:(e,t)=>t.map(r)}],series:[{label:`Time`,value:(e,t)=>t===null?`–`:jc(t)},...n.map(({label:e,color:t})=>({label:e,stroke:o(t),width:1.75,points:{show:!1},value:(e,t)=>t===null?`–`:r(t)}))]},[t,...n.map(({values:e})=>e)],e);a.current=c;let l=new ResizeObserver(()=>c.setSize({width:e.clientWidth,height:Ec}));return l.observe(e),()=>{l.disconnect(),c.destroy()}},[s,o]),B(()=>{a.current?.setData([t,...n.map(({values:e})=>e)]),a.current?.cursor.idx??a.current?.setLegend({idx:t.length-1},!1)},[t,n,s,o]);let c=n.map(({label:e,values:t})=>`${e} ${r(t.at(-1)??0)}`).join(`, `);return W(`figure`,{class:`card chart`,children:[W(`figcaption`,{children:W(`h2`,{children:e})}),W(`div`,{ref:i,role:`img`,"aria-label":`${e} over the last minutes; now ${c||`nothing`}`})]})}var Ac=new Intl.DateTimeFormat(`en-GB`,{hour:`2-digit`,minute:`2-digit`,second:`2-digit`}),jc=e=>Ac.format(e*1e3);function Mc(){let e=matchMedia(`(prefers-color-scheme: dark)`),t=()=>`${document.documentElement.dataset.theme} ${e.matches}`,[n,r]=R(t());return B(()=>{let n=()=>r(t()),i=new MutationObserver(n);return i.observe(document.documentElement,{attributeFilter:[`data-theme`]}),e.addEventListener(`change`,n),()=>{i.disconnect(),e.removeEventListener(`change`,n)}},[]),n}var Nc=U({is:`closed`}),Pc=U(void 0),Fc=U([]),Ic;function Lc(e){Rc(),Ie(()=>{Pc.value=void 0,Fc.value=[]}),Ic=new _n({url:vt(`/system/dashboard/stream`),token:Ot(e).token,onState:e=>Nc.value=e,onEvent:({event:e,data:t})=>{e===`stats`&&zc(JSON.parse(t))}}),Ic.open()}function Rc(){Ic?.close(),Ic=void 0}function zc(e){let t=Pc.value,n=Date.parse(e.timestamp)/1e3,r=t?n-Date.parse(t.timestamp)/1e3:0,i=(e,t)=>r>0&&e>=t?(e-t)/r:0,a={at:n,byType:e.connectionsByType,total:e.totalConnections,memory:e.memory,delays:e.delays,publishes:t?i(e.published,t.published):0,deliveries:t?i(e.deliveries,t.deliveries):0,opens:t?i(e.totalOpened,t.totalOpened):0,ends:t?i(Vc(e.ended),Vc(t.ended)):0};Ie(()=>{Pc.value=e,Fc.value=[...Fc.value,a].slice(-300)})}function Bc(e){let t=e.at(-1)?.delays??[],n=e.at(-60)?.delays??e[0]?.delays??[],r=t.map(([e,t],r)=>[e,Math.max(0,t-(n[r]?.[1]??0))]),i=r.reduce((e,[,t])=>e+t,0),a=0;return r.find(([,e])=>e>0&&(a+=e)>=i*.99)?.[0]}var Vc=e=>Object.values(e).reduce((e,t)=>e+t,0),Hc=25,Uc=1500;function Wc(e,t,n){let r=new URLSearchParams({limit:String(Hc)});return t.trim()&&r.set(e,t.trim()),n&&r.set(`cursor`,n),`/system/connections?${r}`}function Gc({stats:e,token:t}){let[n,r]=R(`userId`),[i,a]=R(``),[o,s]=R([``]),[c,l]=R(),[u,d]=R(),f=Ce(0),p=Ce(void 0),m=o.at(-1)??``,h=e.totalOpened+Vc(e.ended),g=Ce({path:``,token:t});g.current={path:Wc(n,i,m),token:t};let _=async()=>{p.current?.abort();let e=new AbortController;p.current=e,f.current=performance.now();let{path:t,token:n}=g.current;try{let r=await xt({method:`GET`,path:t,token:n},e.signal);if(e.signal.aborted)return;d(r.status===200?void 0:r),r.status===200&&l(r.body)}catch{}};B(()=>{let e=Math.max(0,f.current+Uc-performance.now()),t=setTimeout(()=>void _(),e);return()=>clearTimeout(t)},[h]),B(()=>{let e=setTimeout(()=>void _(),200);return()=>clearTimeout(e)},[n,i,m,t]),B(()=>()=>p.current?.abort(),[]);let v=async e=>{let n=await xt({method:`DELETE`,path:`/system/connections/${e}`,token:t});d(n.status===200||n.status===404?void 0:n),await _()},y=Date.parse(e.timestamp),b=c?.connections??[];return W(`section`,{class:`card`,"aria-label":`Connections`,children:[W(`header`,{class:`panel-head`,children:[W(`h2`,{children:`Connections`}),W(`span`,{class:`hint`,children:[Bt(e.totalConnections,`stream`),` open`]})]}),W(`div`,{class:`row find`,children:[W(Xt,{label:`Find by`,value:n,options:[{value:`userId`,label:`User`},{value:`topic`,label:`Topic`}],onValue:e=>{r(e),s([``])}}),W(`div`,{class:`field`,children:[W(`label`,{for:`find-connection`,children:n===`userId`?`User`:`Topic`}),W(`input`,{id:`find-connection`,type:`search`,value:i,placeholder:n===`userId`?`the whole id`:`notifications, chat/room/general, …`,onInput:e=>{a(e.currentTarget.value),s([``])}})]}),W(`button`,{type:`button`,disabled:o.length===1,onClick:()=>s(o.slice(0,-1)),children:`Back`}),W(`button`,{type:`button`,disabled:!c?.next,onClick:()=>c?.next&&s([...o,c.next]),children:`Next`})]}),u&&W(G,{answer:u}),W(`div`,{class:`scroll`,tabIndex:0,role:`region`,"aria-label":`Table of connections`,children:[W(`table`,{children:[W(`thead`,{children:W(`tr`,{children:[W(`th`,{scope:`col`,children:`User`}),W(`th`,{scope:`col`,children:`Stream`}),W(`th`,{scope:`col`,children:`Topics`}),W(`th`,{scope:`col`,children:`Age`}),W(`th`,{scope:`col`,children:`Quiet for`}),W(`th`,{scope:`col`,children:`Address`}),W(`th`,{scope:`col`,children:`Behind`}),W(`th`,{scope:`col`,children:`Last id`}),W(`th`,{scope:`col`,children:W(`span`,{class:`unseen`,children:`What to do`})})]})}),W(`tbody`,{children:b.map(e=>W(`tr`,{"data-connection":e.id,"data-user":e.userId??``,children:[W(`td`,{children:e.userId??W(`span`,{class:`faint`,children:`anonymous`})}),W(`td`,{children:e.subscriptions[0]}),W(`td`,{class:`mono topics`,children:e.topics.join(` `)||`–`}),W(`td`,{class:`num`,children:Vt(Math.max(0,y-Date.parse(e.connectedAt)))}),W(`td`,{class:`num`,children:Vt(Math.max(0,y-Date.parse(e.lastActivity)))}),W(`td`,{class:`mono`,children:e.address??`–`}),W(`td`,{class:`num`,children:e.lagBytes===null?`catching up`:e.lagBytes?Ht(e.lagBytes):`–`}),W(`td`,{class:`mono`,children:e.lastEventId}),W(`td`,{children:W(`button`,{type:`button`,class:`danger small`,"aria-label":`Disconnect ${e.userId??`anonymous`} from ${e.subscriptions[0]}`,onClick:()=>void v(e.id),children:`Disconnect`})})]},e.id))})]}),c&&b.length===0&&W(en,{children:i?`Nobody like that is connected.`:`Nobody is connected.`})]}),o.length>1&&W(`p`,{class:`hint`,children:[`Page `,zt(o.length)]})]})}function Kc({stats:e,token:t}){let[n,r]=R(!1),[i,a]=R(),o=Ce(null),s=Ce(null),c=Ce(!1);B(()=>{n?s.current?.focus():c.current&&o.current?.focus(),c.current=n},[n]);let l=async()=>{r(!1);try{a(await xt({method:`POST`,path:`/system/drain`,token:t}))}catch{}};return W(`section`,{class:`card`,"aria-label":`Drain`,children:[W(`header`,{class:`panel-head`,children:[W(`h2`,{children:`Drain`}),!n&&W(`button`,{ref:o,type:`button`,class:`danger`,onClick:()=>r(!0),children:`Drain …`})]}),W(`p`,{class:`hint`,children:`Ends all streams one by one, tells their clients to come back, and then stops the server, as SIGTERM does. For before a new version, or when this node is to be left alone.`}),n&&W(`div`,{class:`row`,role:`alertdialog`,"aria-label":`Drain this server?`,onKeyDown:({key:e})=>e===`Escape`&&r(!1),children:[W(`p`,{class:`advice`,children:[Bt(e.totalConnections,`stream`),` will be ended, and the server stops. Whatever runs it has to start it again.`]}),W(`button`,{type:`button`,class:`danger`,onClick:()=>void l(),children:`Drain and stop`}),W(`button`,{ref:s,type:`button`,onClick:()=>r(!1),children:`Keep it running`})]}),i&&W(G,{answer:i})]})}function qc({as:e}){let[t]=R(()=>new Ln(e));B(()=>()=>t.disconnect(),[t]),t.who.value=e;let n=t.kind.value,r=t.isActive.value;return W(`section`,{class:`card`,"aria-label":`Live tail`,children:[W(`header`,{class:`panel-head`,children:[W(`h2`,{children:`Live tail`}),W(`span`,{class:`hint`,children:`all that is kept, then what comes`})]}),W(`form`,{class:`row`,onSubmit:e=>{e.preventDefault(),r?t.disconnect():(t.clear(),t.connect(`earliest`))},children:[W(Xt,{label:`Stream`,value:n.key,disabled:r,options:jn.filter(({shows:e})=>e.length>0).map(({key:e,label:t})=>({value:e,label:t})),onValue:e=>{t.kind.value=jn.find(t=>t.key===e)??n,t.value.value=``}}),n.field&&W(Yt,{label:n.field.label,placeholder:n.field.placeholder,value:t.value.value,disabled:r,onValue:e=>t.value.value=e}),W(`button`,{type:`submit`,class:r?``:`primary`,children:r?`Stop`:`Follow`})]}),W(ur,{panel:t})]})}var Jc=U(``),Yc={notifications:`--accent`,"realtime-updates":`--blue`,chat:`--violet`,"system-status":`--warn`,dashboard:`--faint`};function Xc(){let e=Jc.value||(Dt.value.find(({admin:e})=>e)?.key??`nobody`);B(()=>(Lc(e),Rc),[e]);let t=Pc.value;return W(x,{children:[W(`div`,{class:`view-head`,children:[W(`h1`,{children:`Dashboard`}),W(`p`,{class:`lead`,children:`Who is connected, what flows, and why streams ended: told each second, over an event stream.`}),W(`div`,{class:`sub who`,children:W(rn,{label:`Watch as`,value:e,onValue:e=>Jc.value=e})})]}),W(Zc,{}),t?W(Qc,{news:t,token:Ot(e).token}):Nc.value.is===`open`&&W(en,{children:`Waiting for the first account …`})]})}function Zc(){let e=Nc.value;return e.is===`failed`?W(`div`,{class:`trouble`,role:`alert`,children:[W(`p`,{children:[W(`span`,{class:`chip bad`,children:e.refusal.status}),` `,e.refusal.code&&W(`code`,{children:e.refusal.code}),` `,e.refusal.message]}),W(`p`,{class:`advice`,children:e.refusal.code===`forbidden`?`The dashboard is for the role admin: choose or paste such a token.`:nn(e.refusal.code)})]}):e.is===`waiting`?W(`p`,{class:`trouble mild`,role:`status`,children:[e.why,`. Trying again in a moment; what is shown below was true before.`]}):null}function Qc({news:e,token:t}){let n=Fc.value,r=n.at(-1),i=we(()=>n.map(({at:e})=>e),[n]),a=[...new Set(n.flatMap(({byType:e})=>Object.keys(e)))].filter(e=>e!==`heartbeat`).sort(),o=we(()=>a.map(e=>({label:e,color:Yc[e]??`--ink`,values:n.map(({byType:t})=>t[e]??0)})),[n,a.join()]),s=we(()=>[{label:`published`,color:`--accent`,values:n.map(({publishes:e})=>e)},{label:`opened`,color:`--good`,values:n.map(({opens:e})=>e)},{label:`ended`,color:`--bad`,values:n.map(({ends:e})=>e)}],[n]),c=we(()=>[{label:`delivered`,color:`--accent`,values:n.map(({deliveries:e})=>e)}],[n]),l=we(()=>Bc(n),[n]),u=e=>e<10?e.toFixed(1).replace(`.0`,``):zt(Math.round(e));return W(`div`,{class:`dashboard`,children:[W(`dl`,{class:`tiles`,children:[W($c,{name:`Connections`,value:zt(e.totalConnections),note:`${zt(e.authenticatedConnections)} with a user`}),W($c,{name:`Publishes per second`,value:u(r?.publishes??0),note:`${zt(e.published)} in the log’s count`}),W($c,{name:`Deliveries per second`,value:u(r?.deliveries??0),note:`${zt(e.deliveries)} live, since the start`}),W($c,{name:`Delay, p99`,value:l===void 0?`–`:l===null?`> 10 s`:`≤ ${Vt(l)}`,note:`from the log to the write, last minute`}),W($c,{name:`Opened per second`,value:u(r?.opens??0),note:`${zt(e.totalOpened)} since the start`}),W($c,{name:`Streams behind`,value:zt(e.lag.streams),note:e.lag.streams?`at most ${Ht(e.lag.mostBytes)}`:`nobody waits`,bad:e.lag.streams>0}),W($c,{name:`Memory`,value:e.memory===null?`–`:Ht(e.memory),note:`resident`}),W($c,{name:`Up for`,value:Vt(e.uptime*1e3),note:`head ${e.head}`})]}),W(`div`,{class:`charts`,children:[W(kc,{title:`Open streams`,times:i,lines:o,write:e=>zt(Math.round(e))}),W(kc,{title:`Per second`,times:i,lines:s,write:u}),W(kc,{title:`Deliveries per second`,times:i,lines:c,write:u})]}),W(Gc,{stats:e,token:t}),W(`div`,{class:`lower`,children:[W(el,{title:`Why streams ended`,counts:e.ended,none:`None has ended yet.`}),W(el,{title:`Refused and closed`,counts:{...e.refused,...e.closed},none:`Nobody was refused.`}),W(tl,{news:e})]}),W(Kc,{stats:e,token:t}),W(qc,{as:Jc.value||(Dt.value.find(({admin:e})=>e)?.key??``)})]})}function $c({name:e,value:t,note:n,bad:r=!1}){return W(`div`,{class:`card tile`,children:[W(`dt`,{children:e}),W(`dd`,{children:[W(`span`,{class:`figure ${r?`bad-text`:``}`,children:t}),W(`span`,{class:`hint`,children:n})]})]})}function el({title:e,counts:t,none:n}){let r=Vc(t),i=Object.entries(t).sort(([,e],[,t])=>t-e),a=i.filter(([,e])=>e===0).map(([e])=>e);return W(`section`,{class:`card`,"aria-label":e,children:[W(`h2`,{children:e}),r===0&&W(`p`,{class:`faint`,children:n}),W(`ul`,{class:`bars`,children:i.filter(([,e])=>e>0).map(([e,t])=>W(`li`,{children:[W(`span`,{class:`mono`,children:e}),W(`span`,{class:`num`,children:zt(t)}),W(`progress`,{max:r,value:t,"aria-label":`${e}: ${t} of ${r}`})]},e))}),a.length>0&&W(`p`,{class:`hint mono`,children:[`0: `,a.join(`, `)]})]})}function tl({news:e}){return W(`section`,{class:`card`,"aria-label":`Chat rooms`,children:[W(`header`,{class:`panel-head`,children:[W(`h2`,{children:`Chat rooms`}),W(`span`,{class:`hint`,children:[Bt(e.roomsInUse,`room`),` in use`]})]}),e.rooms.length===0&&W(`p`,{class:`faint`,children:`No room has a member, or a stream of its own.`}),W(`ul`,{class:`rooms`,children:e.rooms.map(e=>W(`li`,{children:[W(`p`,{class:`line spread`,children:[W(`strong`,{children:e.room}),W(`span`,{class:`hint`,children:[Bt(e.members,`member`),`, `,Bt(e.streams,`stream`)]})]}),W(`p`,{class:`members`,children:[e.first.map((e,t)=>W(`span`,{class:`member`,children:e},t)),e.members>e.first.length&&W(`span`,{class:`faint`,children:[`and `,zt(e.members-e.first.length),` more`]})]})]},e.room))})]})}var nl={proxies:[{id:`nginx`,name:`nginx`},{id:`apache`,name:`Apache`},{id:`caddy`,name:`Caddy`},{id:`traefik`,name:`Traefik`},{id:`haproxy`,name:`HAProxy`},{id:`envoy`,name:`Envoy`},{id:`alb`,name:`AWS ALB`},{id:`cloudflare`,name:`Cloudflare`}],signs:[{proxy:`cloudflare`,header:`cf-ray`,contains:``},{proxy:`cloudflare`,header:`server`,contains:`cloudflare`},{proxy:`alb`,header:`server`,contains:`awselb`},{proxy:`alb`,header:`set-cookie`,contains:`awsalb`},{proxy:`caddy`,header:`via`,contains:`caddy`},{proxy:`caddy`,header:`server`,contains:`caddy`},{proxy:`nginx`,header:`server`,contains:`nginx`},{proxy:`nginx`,header:`server`,contains:`openresty`},{proxy:`apache`,header:`server`,contains:`apache`},{proxy:`envoy`,header:`server`,contains:`envoy`},{proxy:`envoy`,header:`x-envoy-upstream-service-time`,contains:``}],troubles:[{check:`buffering`,meaning:`Something between the server and its readers buffers events: readers get several at once and late, or none at all. If no setting helps, look for a virus scanner or another filter that reads whole answers.`,mend:{nginx:`# in the location; and remove every proxy_ignore_headers X-Accel-Buffering
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_buffering off;`,apache:`# in BalancerMember or ProxyPass; and remove every SetOutputFilter of the site
flushpackets=on`,caddy:`# Caddy forwards text/event-stream at once, whatever flush_interval says: remove response_buffers from
# reverse_proxy; and if something between the server and Caddy changes the Content-Type
reverse_proxy localhost:3000 {
    flush_interval -1
}`,traefik:`# Traefik forwards text/event-stream at once, whatever flushInterval says: remove the buffering middleware from the
# router; and if something between the server and Traefik changes the Content-Type, set for the service:
http:
  services:
    tidings:
      loadBalancer:
        responseForwarding:
          flushInterval: "-1"`,haproxy:`# in the backend; and remove every http-response wait-for-body
option http-no-delay`,envoy:`# Envoy forwards everything at once: remove filters that read whole answers from http_filters (transcoders,
# ext_proc with response_body_mode BUFFERED, Lua with body())`,alb:`# a target group of type lambda buffers answers: use one of type ip or instance
aws elbv2 create-target-group --name tidings --target-type ip --protocol HTTP --port 3000 --vpc-id VPC`,cloudflare:`# turn off response buffering (a setting of Enterprise zones, off by default)
PATCH /client/v4/zones/ZONE/settings/response_buffering {"value":"off"}`}},{check:`compression`,meaning:`The proxy compresses the stream, although it is marked no-transform. A compressor may buffer events, and keeps a window of up to 256 KiB for each open stream.`,mend:{nginx:`# in the location; or remove text/event-stream and * from gzip_types
gzip off;`,apache:`# in the virtual host
SetEnv no-gzip 1
SetEnv no-brotli 1`,caddy:`# Caddy compresses nothing that is marked no-transform; if something between the server and Caddy removes the mark
@calls not path */stream */system/heartbeat
encode @calls zstd gzip`,traefik:`http:
  middlewares:
    compress:
      compress:
        excludedContentTypes:
          - text/event-stream`,haproxy:`# HAProxy compresses nothing that is marked no-transform; if something between the server and HAProxy removes the
# mark, name the types to compress, without text/event-stream
compression type text/html text/css application/javascript application/json`,envoy:`# in the compressor filter: name the types, without text/event-stream
response_direction_config:
  common_config:
    content_type: [text/html, text/css, application/javascript, application/json]`,alb:`# an ALB does not compress; in a CloudFront before it, set "Compress": false for these paths`,cloudflare:`# Rules > Compression Rules > Disable compression, when
http.response.content_type.media_type eq "text/event-stream"`}},{check:`idle`,meaning:`The proxy closes streams that are idle for longer than its timeout. Readers reconnect and miss nothing, but they do so again and again. The timeout must be longer than the server's HEARTBEAT_INTERVAL.`,mend:{nginx:`# in the location; the default is 60s
proxy_read_timeout 1h;`,apache:`# of BalancerMember or ProxyPass; the default is Timeout, 60 s
timeout=3600`,caddy:`# Caddy has no timeout by default; remove what sets one (also write in the timeouts of servers), or
reverse_proxy localhost:3000 {
    transport http {
        read_timeout 1h
    }
}`,traefik:`# of the entry point, in the static configuration; 0, the default, means no timeout
entryPoints:
  websecure:
    transport:
      respondingTimeouts:
        writeTimeout: 0`,haproxy:`# timeout client in the frontend, timeout server in the backend; timeout tunnel is for upgraded connections only
timeout client 1h
timeout server 1h`,envoy:`# in the connection manager, whose default is 5 min; and in the route, whose default is 15 s for a whole answer
stream_idle_timeout: 1h
route: { cluster: tidings, timeout: 0s }`,alb:`# the default is 60 s; a CloudFront before it waits for 30 s (its origin response timeout)
aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes Key=idle_timeout.timeout_seconds,Value=300`,cloudflare:`# it cuts after 120 s of silence (for years after 100 s), which only Enterprise zones can change: shorten, in the
# server's settings
HEARTBEAT_INTERVAL=25s`}},{check:`path`,meaning:`The server does not know the path that arrives: the proxy forwards it with a prefix that the server does not expect, or without one that it expects. Either the proxy must remove the prefix, or BASE_PATH must name it.`,mend:{nginx:`# forward the path unchanged: proxy_pass without a path, not even a slash; then set BASE_PATH=/api
location /api/ {
    proxy_pass http://127.0.0.1:3000;
}`,apache:`# the same path on both sides; and set BASE_PATH=/api
ProxyPass "/api/" "http://127.0.0.1:3000/api/"`,caddy:`# either handle_path or uri strip_prefix, which remove the prefix, or BASE_PATH=/api
reverse_proxy /api/* 127.0.0.1:3000`,traefik:'# either a stripPrefix middleware, or BASE_PATH=/api\nrule: "Host(`events.example.com`) && PathPrefix(`/api/`)"',haproxy:`# either http-request set-path and replace-path, or BASE_PATH=/api`,envoy:`# either prefix_rewrite, or BASE_PATH=/api
match: { prefix: "/api/" }
route: { cluster: tidings, timeout: 0s }`,alb:`# an ALB forwards the path unchanged; with a rule for /api/*, set BASE_PATH=/api`,cloudflare:`# Rules > Transform Rules > Rewrite URL: either a rule that removes the prefix, or BASE_PATH=/api`}},{check:`query`,meaning:`The query of the URL did not arrive: streams do not have the topics that were asked for, and a token or a last id in the URL is lost.`,mend:{nginx:`# the query is dropped by a rewrite whose replacement ends with ?, and by a proxy_pass whose path has a variable
proxy_pass http://127.0.0.1:3000;`,apache:`# remove the ? at the end of the RewriteRule, or its flag QSD
RewriteRule ^/api/(.*)$ /$1 [PT,QSA]`,caddy:`# a rewrite whose target has a ? replaces the query: remove the rewrite, or keep the query
rewrite * {path}?{query}`,traefik:`# replacePathRegex keeps the query; check redirectRegex middlewares and plugins`,haproxy:`# remove http-request set-query and set-uri`,envoy:`# regex_rewrite and prefix_rewrite keep the query; check Lua filters and path_redirect`,alb:`# an ALB forwards the query; in a CloudFront before it, choose an origin request policy that forwards it
Managed-AllViewer`,cloudflare:`# Rules > Transform Rules > Rewrite URL: keep the query`}},{check:`authorization`,meaning:`The token did not arrive: readers are anonymous, and get no events that are for them alone.`,mend:{nginx:`# in the location, instead of any proxy_set_header Authorization ""
proxy_set_header Authorization $http_authorization;`,apache:`# remove RequestHeader unset Authorization`,caddy:`# remove header_up -Authorization from reverse_proxy, and request_header -Authorization`,traefik:`# remove Authorization from customRequestHeaders; and in a basicAuth middleware, which drops it by itself:
http:
  middlewares:
    auth:
      basicAuth:
        removeHeader: false`,haproxy:`# remove http-request del-header Authorization`,envoy:`# remove authorization from request_headers_to_remove; and in jwt_authn, which drops it by itself:
forward: true`,alb:`# an ALB forwards it; check the proxies before and behind it`,cloudflare:`# Rules > Transform Rules > Modify Request Header: delete the rule that removes Authorization`}},{check:`last-event-id`,meaning:`The last id did not arrive: a reader that reconnects gets no event that it missed. As long as the proxy is not fixed, clients can put the id into the URL, as ?lastEventId=.`,mend:{nginx:`# in the location, instead of any proxy_set_header Last-Event-ID ""
proxy_set_header Last-Event-ID $http_last_event_id;`,apache:`# remove RequestHeader unset Last-Event-ID`,caddy:`# remove header_up -Last-Event-ID from reverse_proxy, and request_header -Last-Event-ID`,traefik:`# remove Last-Event-ID from customRequestHeaders in every headers middleware`,haproxy:`# remove http-request del-header Last-Event-ID`,envoy:`# remove last-event-id from request_headers_to_remove`,alb:`# an ALB forwards it; in a CloudFront before it, choose an origin request policy that forwards it
Managed-AllViewer`,cloudflare:`# Rules > Transform Rules > Modify Request Header: delete the rule that removes Last-Event-ID`}},{check:`address`,meaning:`The server knows this client by the address of the proxy: all clients count as one address, and one of them can use up the limits of all (MAX_CONNECTIONS_PER_IP, refused credentials). The proxy must send X-Forwarded-For, and TRUSTED_PROXIES must contain the address from which the proxy connects.`,mend:{nginx:`# in the location; and in the server's settings, the address from which nginx connects: TRUSTED_PROXIES=127.0.0.1
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`,apache:`# mod_proxy adds it by itself: remove ProxyAddHeaders Off; and in the server's settings, the address from which
# Apache connects: TRUSTED_PROXIES=127.0.0.1
RequestHeader unset X-Forwarded-For early`,caddy:`# Caddy adds it by itself: remove header_up -X-Forwarded-For; and in the server's settings, the address from which
# Caddy connects: TRUSTED_PROXIES=127.0.0.1`,traefik:`# Traefik adds it by itself: remove X-Forwarded-For from customRequestHeaders; and in the server's settings, the address
# from which Traefik connects: TRUSTED_PROXIES=127.0.0.1`,haproxy:`# in the frontend; and in the server's settings, the address from which HAProxy connects: TRUSTED_PROXIES=127.0.0.1
option forwardfor`,envoy:`# in the connection manager; and in the server's settings, the address from which Envoy connects:
# TRUSTED_PROXIES=127.0.0.1
use_remote_address: true`,alb:`# an ALB appends the address by itself; in the server's settings, name the subnets of the ALB
aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes Key=routing.http.xff_header_processing.mode,Value=append
TRUSTED_PROXIES=10.0.0.0/16`,cloudflare:`# Cloudflare appends the address by itself; in the server's settings, name its networks (https://www.cloudflare.com/ips/)
# and those of your own proxy behind it: TRUSTED_PROXIES=173.245.48.0/20,...`}},{check:`headers`,meaning:`The proxy changed the head of the answer: caches may keep the stream and show it to others, or a browser may not recognise it as a stream.`,mend:{nginx:`# in the location; and remove every proxy_hide_header and add_header of these fields
proxy_cache off;
expires off;`,apache:`# remove what Header sets and ExpiresActive adds for Cache-Control and Content-Type; and every CacheEnable`,caddy:`# remove what the header directive sets for Cache-Control and Content-Type on these paths`,traefik:`# remove Cache-Control and Content-Type from customResponseHeaders in every headers middleware`,haproxy:`# remove http-response set-header and del-header of Cache-Control and Content-Type, and every
# http-request cache-use and http-response cache-store`,envoy:`# remove them from response_headers_to_add and response_headers_to_remove; and remove every cache filter`,alb:`# an ALB changes neither; in a CloudFront before it, choose the cache policy
Managed-CachingDisabled`,cloudflare:`# Caching > Cache Rules > Bypass cache, when
http.request.uri.path contains "/stream"`}},{check:`ending`,meaning:`The server cut off a stream, but its body arrives as complete, as it does if the proxy speaks HTTP/1.0 to the server. Some clients then never reconnect (fetch-event-source, httpx-sse, sseclient-py).`,mend:{nginx:`# in the location; the default before nginx 1.29.7 was HTTP/1.0, which does not mark the end of a body
proxy_http_version 1.1;
proxy_set_header Connection "";`,apache:`# remove these, and every proxy-sendchunks; HTTP/1.1 is the default
# SetEnv force-proxy-request-1.0 1
# SetEnv downgrade-1.0 1`,caddy:`# HTTP/1.1 is the default: remove other versions from transport http`,traefik:`# HTTP/1.1 is the default; look for another proxy between Traefik and the server`,haproxy:`# HTTP/1.1 is the default; look for another proxy between HAProxy and the server`,envoy:`# HTTP/1.1 is the default: remove accept_http_10 and default_host_for_http_10`,alb:`# a target group of type lambda completes every answer: use one of type ip or instance`,cloudflare:`# it speaks HTTP/1.1 to the server; look for another proxy between Cloudflare and the server`}},{check:`http-version`,meaning:`Over HTTP/1.1 a browser opens at most six connections to an origin, in all its tabs together: with six open streams, every other call waits. HTTP/2 has no such limit.`,mend:{nginx:`# since nginx 1.25.1; in earlier versions: listen 443 ssl http2;
listen 443 ssl;
http2 on;`,apache:`# run a2enmod http2; then, in the virtual host
Protocols h2 http/1.1`,caddy:`# global options; with HTTPS this is the default
{
    servers {
        protocols h1 h2 h3
    }
}`,traefik:`# with TLS this is the default
tls:
  options:
    default:
      alpnProtocols:
        - h2
        - http/1.1`,haproxy:`bind :443 ssl crt /etc/haproxy/site.pem alpn h2,http/1.1`,envoy:`# in common_tls_context; and codec_type: AUTO in the connection manager
alpn_protocols: [h2, http/1.1]`,alb:`# with an HTTPS listener
aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes Key=routing.http2.enabled,Value=true`,cloudflare:`PATCH /client/v4/zones/ZONE/settings/http2 {"value":"on"}`}}]},rl=nl.proxies,il=nl.troubles;function al(e){return il.find(t=>t.check===e)?.meaning??``}function ol(e,t){return il.find(t=>t.check===e)?.mend[t]??``}function sl(e){let t=(t,n)=>e.get(t)?.toLowerCase().includes(n);return nl.signs.find(({header:e,contains:n})=>t(e,n))?.proxy}var cl=(e,t)=>({check:e,level:`ok`,message:t}),ll=(e,t)=>({check:e,level:`skipped`,message:t}),ul=(e,t,n)=>({check:e,level:`warning`,message:t,meaning:n}),dl=(e,t,n)=>({check:e,level:`problem`,message:t,meaning:n});function fl(e,t,n=`problem`){return{check:e,level:n,message:t,meaning:al(e),byProxy:!0}}function pl(e,t){let n=rl.find(({id:e})=>e===t)?.name??t;return e.flatMap(({level:e,check:r,message:i,meaning:a,byProxy:o})=>[`${e.padEnd(8)} ${r.padEnd(14)} ${i}`,...a?[`  ${a}`]:[],...o?[`  ${n}:`,...ol(r,t).split(`
`).map(e=>`    ${e}`)]:[]]).join(`
`)}var ml=500,hl=3e3,gl=250,_l=2e3,vl=6e4;async function yl(e,t,n,r){let i=[],a=performance.now();for(let e=0;e<5;e+=1)await bl(a+ml*e-performance.now(),n),r(e+1),i.push({id:await t.publish(n),at:performance.now()});let o=new Map,s=performance.now()+hl;for(;o.size<5;){let r=await e.next(s);if(n.throwIfAborted(),r.is!==`event`)break;r.event.id&&t.contain(r.event)&&o.set(r.event.id,r.event.at)}return[xl(i.map(({id:e,at:t})=>{let n=o.get(e);return n===void 0?void 0:Math.max(n-t,0)})),[...o.keys()].at(-1)]}async function bl(e,t){e>0&&await new Promise(t=>setTimeout(t,e)),t.throwIfAborted()}function xl(e){let t=e.length,n=e.filter(e=>e!==void 0),r=t-n.length,i=n.filter(e=>e>ml).length,a=Math.max(0,...n),o=`${t} events, ${ml} ms apart,`;return r>0?fl(`buffering`,`${r} of ${o} had not arrived ${hl/1e3} s after the last was published`):i>1?fl(`buffering`,`${i} of ${o} arrived together, up to ${a.toFixed(0)} ms late`):a>gl?ul(`buffering`,`${t} events arrived one by one, but up to ${a.toFixed(0)} ms late`,`The network or the server is slow or busy; nothing seems to buffer events.`):cl(`buffering`,`none: ${o} arrived at most ${a.toFixed(1)} ms late`)}function Sl(e){return e!==void 0&&e>0&&e<=vl}async function Cl(e,t,n,r){if(!Sl(t))return ll(`buffering`,`${n}; and heartbeats are too rare to measure with`);let i=performance.now(),a=e=>((e-i)/1e3).toFixed(1),o=i+t+_l;for(;;){let i=await e.next(o);if(r.throwIfAborted(),i.is===`silence`)return fl(`buffering`,`no heartbeat for ${a(o)} s (${n})`);if(i.is===`end`)return fl(`idle`,`the stream was cut after ${a(performance.now())} s, before a heartbeat arrived (${n})`);if(i.event.event===`heartbeat`)return cl(`buffering`,`none: a heartbeat arrived after ${a(i.event.at)} of ${(t/1e3).toFixed(1)} s (${n})`)}}var wl=`/realtime/stream?entities=tidings-doctor`,Tl=5e3,El=class extends Error{why;refusal;constructor(e,t,n){super(t),this.why=e,this.refusal=n}},Dl=class e{headers;openedAt;headAt;lastBytesAt;#e;#t=[];#n=!1;#r;constructor(e,t,n){this.headers=e.headers,this.openedAt=t,this.headAt=this.lastBytesAt=performance.now(),this.#e=n,this.#i(e.body)}static async open({path:t=wl,token:n,after:r,requestId:i},a){let o=new AbortController;a.throwIfAborted(),a.addEventListener(`abort`,()=>o.abort(),{once:!0});let s=performance.now(),c=setTimeout(()=>o.abort(),Tl);try{let a={...Ol(n),...r?{"Last-Event-ID":r}:{},...i?{"X-Request-Id":i}:{}},c=await fetch(vt(t),{headers:a,cache:`no-store`,signal:o.signal});if(c.status!==200){let e=await vn(c),t=e.code?`, ${e.code}`:``;throw new El(`refused`,`${e.message} (${e.status}${t})`,e)}return new e(c,s,o)}catch(e){throw a.throwIfAborted(),e instanceof El?e:o.signal.aborted?new El(`timeout`,`no answer within ${Tl/1e3} s`):new El(`unreachable`,`the server can’t be reached`)}finally{clearTimeout(c)}}async next(e){for(;;){let t=this.#t.shift();if(t)return{is:`event`,event:t};if(this.#n)return{is:`end`};let n=e-performance.now();if(n<=0)return{is:`silence`};await new Promise(e=>{let t=setTimeout(e,n);this.#r=()=>{clearTimeout(t),e()}})}}async connected(){let e=await this.next(performance.now()+Tl);if(e.is!==`event`||e.event.event!==`connected`)return e;let t=Al(e.event.data);return typeof t?.connectionId==`string`?t:e}close(){this.#e.abort()}async#i(e){let t=ln({onEvent:({event:e=`message`,id:t,data:n})=>this.#t.push({event:e,id:t,data:n,at:this.lastBytesAt})}),n=new TextDecoder;try{let r=e?.getReader();for(;;){let e=await r?.read();if(!e||e.done)break;this.lastBytesAt=performance.now(),t.feed(n.decode(e.value,{stream:!0})),this.#r?.()}}catch{}this.#n=!0,this.#r?.()}};function Ol(e){return{Accept:`text/event-stream`,...e?{Authorization:`Bearer ${e}`}:{}}}function kl(e){return(e.get(`content-type`)??``).split(`;`)[0]?.trim().toLowerCase()===`text/event-stream`}function Al(e){try{return JSON.parse(e)}catch{return}}var jl=1e3,Ml=30,Nl=5,Pl=300,Fl=[`no-store`,`no-cache`,`no-transform`],Il=3e4;function Ll({openedAt:e,headAt:t,lastBytesAt:n}){let r=n-e,i=`the head after ${(t-e).toFixed(1)} ms, the first event after ${r.toFixed(1)} ms`;return r>jl?ul(`first-byte`,i,`The network is slow, or the server is busy.`):cl(`first-byte`,i)}function Rl(e,t){if(!e)return ll(`http-version`,`this browser does not report it`);if(e===`h2`||e===`h3`)return cl(`http-version`,`HTTP/${e.slice(1)}`);let n=e.toUpperCase();return t?fl(`http-version`,n,`warning`):cl(`http-version`,`${n}; browsers use HTTP/2 only over https, and at most six connections without it`)}function zl(e){let t=e.get(`content-encoding`)?.trim();return t&&t.toLowerCase()!==`identity`?fl(`compression`,`Content-Encoding: ${t}`):cl(`compression`,`none, though browsers offer it`)}function Bl(e,t){let n=[];kl(e)||n.push(`Content-Type: ${e.get(`content-type`)??`missing`}`);let r=(e.get(`cache-control`)??``).toLowerCase(),i=Fl.filter(e=>!r.includes(e));i.length>0&&n.push(`Cache-Control without ${i.join(`, `)}`);let a=e.get(`age`);return a!==null&&n.push(`it comes from a cache (Age: ${a})`),n.length>0?fl(`headers`,n.join(`; `)):cl(`headers`,`Content-Type and Cache-Control are the server’s${e.has(`x-accel-buffering`)?``:`; a proxy removed X-Accel-Buffering`}${e.get(`x-request-id`)===t?``:`; a proxy replaced X-Request-Id`}`)}function Vl(e,t,n,r){let i=Date.parse(e??``),a=Date.parse(t.get(`date`)??``),o=Number.isNaN(i)?a:i;if(Number.isNaN(o))return ll(`clock`,"neither `connected` nor a Date field contains a time");let s=(n-o)/1e3,c=s>0?-Math.max(s-r/1e3,0):-s,l=Number.isNaN(i)?`Date field’s`:`server’s`,u=Math.abs(c),d=`the ${l} clock is ${u.toFixed(1)} s ${c<0?`behind`:`ahead of`} this machine’s`;return u>Ml?dl(`clock`,d,`Tokens are refused too early or too late, because the server tolerates 30 s. Synchronize both clocks by NTP.`):u>Nl?ul(`clock`,d,`Synchronize both clocks by NTP.`):cl(`clock`,d)}function Hl(e,t){if(!e)return;let n=n=>typeof e[n]==`number`?e[n]-t/1e3:void 0,[r,i]=[n(`exp`),n(`iat`)];return i!==void 0&&i>Ml?dl(`token`,`it was issued ${i.toFixed(0)} s in the future, by this machine’s clock`,`The clock of the machine that issues tokens differs from this one. Synchronize both by NTP.`):r===void 0?cl(`token`,`it never expires`):r<0?dl(`token`,`it expired ${(-r).toFixed(0)} s ago`,`The server refuses it, or will within seconds. Get a new one.`):r<Pl?ul(`token`,`it expires in ${r.toFixed(0)} s`,`The stream ends when it expires. Get a new one before that.`):cl(`token`,`it is valid for another ${r.toFixed(0)} s`)}function Ul(e,t){return t?e.authenticated?cl(`authorization`,`the token arrived, and the server knows its user`):e.authError?dl(`authorization`,`the server refused the token: ${e.authError}`,`It arrived, but the stream is anonymous. Get a token that this server accepts.`):fl(`authorization`,`Authorization was sent, and the stream is anonymous`):ll(`authorization`,`there is no token; choose an identity, or paste one`)}function Wl(e){if(!e)return ll(`heartbeat`,`the server does not announce an interval`);let t=`one every ${(e/1e3).toFixed(1)} s`;return e>Il?ul(`heartbeat`,t,`Many proxies cut a stream after 30 or 60 s of silence. Set HEARTBEAT_INTERVAL=25s, or wait for idle cuts to test this proxy.`):cl(`heartbeat`,`${t}, before common proxies cut an idle stream`)}var Gl=.5,Kl=[`busy`,`expired`,`revoked`,`slow`,`draining`];async function ql(e,t,n,r){let i;try{i=await Dl.open({token:e},r)}catch(e){if(!(e instanceof El))throw e;return ll(`idle`,e.message)}let a=performance.now()+t,o=0;for(;;){let e=await i.next(a);if(r.throwIfAborted(),e.is===`silence`)return i.close(),cl(`idle`,`open for ${(t/1e3).toFixed(0)} s, with ${o} heartbeats`);if(e.is===`end`){let e=performance.now();return Jl(e-i.openedAt,e-i.lastBytesAt,n)}if(e.event.event===`heartbeat`&&(o+=1),Kl.includes(e.event.event))return i.close(),ll(`idle`,`the server itself ended the stream: ${e.event.event}`)}}function Jl(e,t,n){let r=e=>(e/1e3).toFixed(1);if(n!==void 0&&t<n*Gl&&e>2*t+1e3)return fl(`idle`,`cut after ${r(e)} s, ${r(t)} s after the last byte: because of its age, not because it was idle`,`warning`);let i=n===void 0?`the server announces no heartbeat`:`a heartbeat every ${r(n)} s is not enough`;return fl(`idle`,`cut after ${r(t)} s of silence; ${i}`)}var Yl=1e4,Xl=class extends Error{},Zl=class{#e;#t;#n=Ql();constructor(e,t){this.#e=e,this.#t=`/realtime/update?targetUserId=${encodeURIComponent(t)}`}async publish(e){let t=JSON.stringify({entity:`tidings-doctor`,action:`update`,data:{run:this.#n}}),n=AbortSignal.any([e,AbortSignal.timeout(Yl)]);try{let e={"Idempotency-Key":Ql()},{status:r,body:i}=await xt({method:`POST`,path:this.#t,token:this.#e,body:t,headers:e},n),{eventId:a,message:o,code:s}=typeof i==`object`?i:void 0;if(r===200&&a)return a;throw r===200?new Xl(`the answer to a publish did not contain an event id`):new Xl(`publishing failed: ${o??`refused`} (${r}${s?`, ${s}`:``})`)}catch(t){throw e.throwIfAborted(),t instanceof Xl?t:new Xl(n.aborted?`a publish was not answered within ${Yl/1e3} s`:`publishing failed: no answer`)}}contain(e){return Al(e.data)?.data?.run===this.#n}};function Ql(){return[...crypto.getRandomValues(new Uint8Array(16))].map(e=>e.toString(16).padStart(2,`0`)).join(``)}var $l=250,eu=`Readers lose events when they reconnect, or see some twice. If there are several servers behind the proxy, they must share one log, or each reader must reconnect to the server that it had before.`;async function tu(e,t,n,r){let i=[];try{let a=[];for(let t=0;t<3;t+=1)a.push(await e.publish(r));let[o,s]=await nu({token:t,after:n},r);s.resumed==null?(i.push(fl(`last-event-id`,`Last-Event-ID was sent, but did not reach the server`)),o.close(),[o,s]=await nu({token:t,path:`${wl}&lastEventId=${encodeURIComponent(n)}`},r)):i.push(cl(`last-event-id`,`it arrived`)),i.push(iu(a,await ru(o,e,a.length,r))),o.close()}catch(e){if(!(e instanceof Xl||e instanceof El))throw e;i.push(ll(`resume`,e.message))}return i}async function nu(e,t){let n=await Dl.open(e,t),r=await n.connected();if(t.throwIfAborted(),`connectionId`in r)return[n,r];throw n.close(),new El(`refused`,"the stream did not begin with `connected`")}async function ru(e,t,n,r){let i=[],a=performance.now()+Tl;for(;;){let o=await e.next(a);if(r.throwIfAborted(),o.is!==`event`)return i;o.event.id&&t.contain(o.event)&&(i.push(o.event.id),i.length===n&&(a=performance.now()+$l))}}function iu(e,t){let n=e.length,r=e.filter(e=>t.includes(e)).length;return e.join()===t.join()?cl(`resume`,`exactly the ${n} missed events arrived, in order`):dl(`resume`,r<n?`${r} of ${n} missed events arrived`:`after ${n} missed events, ${t.length} arrived, or they were out of order`,eu)}var au=class extends Error{};async function ou(e){let t=new AbortController;try{await new su({...e,cancel:AbortSignal.any([e.cancel,t.signal])}).run()}catch(e){if(!(e instanceof au))throw e}finally{t.abort()}}var su=class{#e;#t=[];constructor(e){this.#e=e}async run(){let{who:e,patience:t,cancel:n,onStep:r}=this.#e;this.#n(Hl(e.token===void 0?void 0:Nt(e.token),Date.now())),r(`Asking for the version of HTTP`),this.#n(Rl(await lu(n),location.protocol===`https:`)),r(`Opening a stream`);let i=Ql(),a=await this.#i(i);this.#r(a.headers);let o=await this.#o(a);this.#n(Ll(a)),this.#n(zl(a.headers)),this.#n(Bl(a.headers,i)),this.#n(Vl(o.timestamp,a.headers,Date.now(),a.lastBytesAt-a.openedAt)),this.#n(Ul(o,e.token!==void 0)),this.#n(Wl(o.heartbeatInterval)),await this.#s(a,o),t>0&&(r(`Keeping a stream open for ${t/1e3} s, to see whether silence gets it cut`),this.#n(await ql(e.token,t,o.heartbeatInterval,n)))}#n(...e){this.#t=[...this.#t,...e.filter(e=>e!==void 0)],this.#e.onFindings(this.#t)}#r(e){let t=sl(e);t&&this.#e.onProxy(t)}async#i(e){let{who:t,cancel:n}=this.#e;try{return await Dl.open({token:t.token,requestId:e},n)}catch(e){if(!(e instanceof El))throw e;return e.why===`timeout`?this.#a():this.#l(e.message,nn(e.refusal?.code))}}async#a(){let{who:e,cancel:t,onStep:n}=this.#e;n(`Nothing arrived; asking only for the head`);let r=Tl/1e3;try{let n=AbortSignal.any([t,AbortSignal.timeout(Tl)]),i=await fetch(vt(wl),{method:`HEAD`,headers:Ol(e.token),cache:`no-store`,signal:n});if(kl(i.headers))throw this.#r(i.headers),this.#n(fl(`buffering`,`nothing of the stream arrived within ${r} s, but HEAD was answered`)),new au}catch(e){if(t.throwIfAborted(),e instanceof au)throw e}return this.#l(`no answer within ${r} s`,`Over HTTP/1.1 all tabs together have six connections to a server. If other tabs have open streams, close them and examine again.`)}async#o(e){let t=await e.connected();if(this.#e.cancel.throwIfAborted(),`connectionId`in t)return t;if(t.is===`event`&&t.event.event===`busy`)return this.#l(`the server accepts no more streams now: ${t.event.data}`,nn(`too_many_connections`));if(t.is===`silence`&&kl(e.headers))throw this.#n(fl(`buffering`,`the head arrived, but no event within ${Tl/1e3} s`)),new au;let n=e.headers.get(`content-type`)??`an answer without a Content-Type`;return this.#l(`this is not a Tidings server: ${new URL(vt(wl)).pathname} answered with ${n}`)}async#s(e,t){let{who:n,cancel:r,onStep:i}=this.#e,a=t.authenticated?t.userId:void 0;if(n.token===void 0||a===void 0)return this.#c(e,t,`there is no user to publish to: the stream is anonymous`);let o=new Zl(n.token,a);try{let[t,a]=await yl(e,o,r,e=>i(`Publishing event ${e} of 5`));if(e.close(),t.level===`problem`&&(this.#t=this.#t.filter(({check:e})=>e!==`first-byte`)),this.#n(t),a===void 0||t.level===`problem`)return this.#n(ll(`resume`,`not all events arrived one by one`));i(`Reconnecting after 3 missed events`),this.#n(...await tu(o,n.token,a,r))}catch(n){if(!(n instanceof Xl))throw n;await this.#c(e,t,n.message)}}async#c(e,{heartbeatInterval:t},n){let{cancel:r,onStep:i}=this.#e;Sl(t)&&i(`Waiting for a heartbeat, up to ${(t/1e3).toFixed(0)} s`),this.#n(await Cl(e,t,n,r),ll(`resume`,n)),e.close()}#l(e,t=`Nothing more can be measured from here.`){throw this.#n(dl(`reach`,e,t)),new au}},cu=1e3;async function lu(e){let t=vt(`/api`),n=performance.now(),r=e=>{},i=new Promise(e=>r=e),a=new PerformanceObserver(e=>{let i=e.getEntriesByName(t).find(({startTime:e})=>e>=n);i&&r(i.nextHopProtocol||void 0)});a.observe({type:`resource`});try{let n=AbortSignal.any([e,AbortSignal.timeout(Tl)]);return await(await fetch(t,{cache:`no-store`,signal:n})).text(),setTimeout(()=>r(void 0),cu),await i}catch{e.throwIfAborted();return}finally{a.disconnect()}}var uu=U(``),du=U(`0`),fu=U([]),pu=U(void 0),mu=U(``),hu=U(``),gu=U(`new`),_u,vu=[{value:`0`,label:`No`},{value:`90`,label:`For 90 s`},{value:`300`,label:`For 5 min`}];async function yu(e){let t=new AbortController;_u?.abort(),_u=t,Ie(()=>{fu.value=[],pu.value=void 0,hu.value=`Beginning`,gu.value=`running`});let n=`done`;try{await ou({who:Ot(e),patience:Number(du.value)*1e3,cancel:t.signal,onStep:e=>hu.value=e,onFindings:e=>fu.value=e,onProxy:e=>pu.value=e})}catch{n=t.signal.aborted?`stopped`:`failed`}_u===t&&(gu.value=n)}function bu(){if(gu.value===`running`)return`${hu.value} …`;let e=e=>fu.value.filter(t=>t.level===e).map(({check:e})=>e),t=t=>e(t).length===0?[]:[`${Bt(e(t).length,t)}: ${e(t).join(`, `)}`],n=[...t(`problem`),...t(`warning`)].join(`; `),r=e(`skipped`).length,i=r?`; ${Bt(r,`check`)} could not be made`:``;switch(gu.value){case`new`:return``;case`stopped`:return`Stopped before the end. ${n||`No problem`} until then.`;case`failed`:return`The doctor itself failed. Its findings so far are below.`;default:return`${n||`No problem: ${Bt(e(`ok`).length,`check`)} passed`}${i}.`}}function xu(){B(()=>()=>_u?.abort(),[]);let e=uu.value||(Dt.value[0]?.key??``),t=gu.value===`running`;return W(x,{children:[W(`div`,{class:`view-head`,children:[W(`h1`,{children:`Doctor`}),W(`p`,{class:`lead`,children:`What the proxies between this browser and the server do to event streams.`}),W(`div`,{class:`sub who`,children:W(rn,{label:`Examine as`,value:e,onValue:e=>uu.value=e,disabled:t})})]}),W(`div`,{class:`doctor`,children:[W(`section`,{class:`card`,"aria-label":`Examination`,children:[W(`div`,{class:`row`,children:[W(Xt,{label:`Wait for idle cuts`,value:du.value,options:vu,onValue:e=>du.value=e,disabled:t}),W(`button`,{type:`button`,class:t?``:`primary`,onClick:()=>t?_u?.abort():void yu(e),children:t?`Stop`:gu.value===`new`?`Examine`:`Examine again`})]}),W(`p`,{class:`hint`,children:`Takes about 5 s; without a token it has to wait for a heartbeat. It opens its own streams and publishes a few small events, which go to this user alone, as updates of an entity that no application has.`}),W(`p`,{class:`verdict ${gu.value}`,role:`status`,children:[t&&W(`span`,{class:`dot connecting`,"aria-hidden":`true`}),bu()]})]}),W(Su,{}),W(Eu,{})]})]})}function Su(){let e=mu.value||(pu.value??rl[0]?.id??``),t=fu.value.some(({byProxy:e})=>e);return W(`section`,{class:`card`,"aria-label":`Findings`,children:[W(`header`,{class:`panel-head`,children:[W(`h2`,{children:`Findings`}),fu.value.length>0&&W(Qt,{text:pl(fu.value,e),label:`Copy as text`})]}),fu.value.length===0&&W(en,{children:`First byte, buffering, compression, version of HTTP, changed headers, token, resuming, clocks. Each has a line here, and each problem has the lines of configuration that fix it.`}),t&&W(`div`,{class:`row`,children:[W(Xt,{label:`Lines for`,value:e,options:rl.map(({id:e,name:t})=>({value:e,label:t})),onValue:e=>mu.value=e}),W(`p`,{class:`hint`,children:pu.value?`${Cu(pu.value)} was recognised by the head of the answer. There may be others behind it.`:`The proxy could not be recognised; choose the one in front of the server.`})]}),fu.value.length>0&&W(`ul`,{class:`findings`,children:fu.value.map((t,n)=>W(Tu,{finding:t,proxy:e},n))})]})}var Cu=e=>rl.find(({id:t})=>t===e)?.name??e,wu={ok:`good`,skipped:``,warning:`warn`,problem:`bad`};function Tu({finding:{check:e,level:t,message:n,meaning:r,byProxy:i},proxy:a}){return W(`li`,{"data-check":e,"data-level":t,children:[W(`p`,{class:`found`,children:[W(`span`,{class:`chip ${wu[t]}`,children:t}),W(`strong`,{class:`mono`,children:e}),W(`span`,{children:n})]}),r&&W(`p`,{class:`advice`,children:r}),i&&W($t,{text:ol(e,a),label:`${Cu(a)}, against ${e}`})]})}function Eu(){return W(`section`,{class:`card`,"aria-label":`From elsewhere`,children:[W(`h2`,{children:`What a browser can’t see`}),W(`p`,{class:`prose`,children:`A browser always offers compression, reuses open connections, so that its first byte does not include the time to connect, and measures only its own network, with its extensions and filters. From another place, in a script, or if this page itself can’t be loaded, use the command line. It makes the same checks and some more (the query, the address of clients, how streams end), and exits with 0 if it finds no problem.`}),W($t,{text:`tidings doctor ${vt(`/`).replace(/\/$/,``)}`,label:`The command line`}),W(`p`,{class:`hint`,children:[`It reads the token from `,W(`code`,{children:`TIDINGS_TOKEN`}),`; with `,W(`code`,{children:`--patient`}),` it waits for idle cuts, too.`]})]})}function Du(e){let t=Object.entries(e.paths).flatMap(([e,t])=>Object.entries(t).map(([t,n])=>Ou(t.toUpperCase(),e,n))),n=e.tags.map(({name:e})=>e);return t.sort((e,t)=>n.indexOf(e.tag)-n.indexOf(t.tag)||Number(t.stream)-Number(e.stream))}function Ou(e,t,n){let r=n.requestBody,i=r&&Object.values(r.content)[0],a=Object.entries(n.responses).map(([e,{description:t,content:n}])=>{let[r,i]=Object.entries(n??{})[0]??[];return{status:e,description:t,...r?{media:r}:{},...i?.schema?{schema:i.schema}:{}}});return{id:n.operationId??`${e} ${t}`,method:e,path:t,summary:n.summary??t,...n.description?{description:n.description}:{},tag:n.tags?.[0]??``,parameters:n.parameters??[],...i?{body:{...i,...r.description?{description:r.description}:{}}}:{},answers:a,needs:ku(n.security??[]),stream:a.some(({status:e,media:t})=>e===`200`&&t===`text/event-stream`)}}function ku(e){return e.length===0?`nothing`:e.some(e=>Object.keys(e).length===0)?`a token, or none`:e.some(e=>e.bearer?.includes(`admin`))?`the role admin`:`a token`}function Au(e,t){let n=t?.$ref?.split(`/`).at(-1);if(n)return Au(e,e.components.schemas[n]);let r=t?.oneOf?.find(e=>e.type!==`null`);return r?{...Au(e,r),...t?.description?{description:t.description}:{}}:t??{}}function ju(e,t){let n=Au(e,t);if(n.enum)return n.enum.map(String).join(` | `);if(n.items)return`array of ${ju(e,n.items)}`;let r=[n.type??[]].flat().filter(e=>e!==`null`);return r[0]===`object`&&typeof n.additionalProperties==`object`?`object of ${ju(e,n.additionalProperties)}`:r.join(` or `)||`anything`}function Mu(e,t){let{minLength:n,maxLength:r,minimum:i,maximum:a,pattern:o,format:s}=Au(e,t);return[r===void 0?``:`${n??0}–${r.toLocaleString(`en-US`)} characters`,a===void 0?``:`${i??0}–${a.toLocaleString(`en-US`)}`,o??``,s===`date-time`?`RFC 3339`:``].filter(Boolean).join(`, `)}function Nu(e,t){let n=t.example??Au(e,t.schema).example;return JSON.stringify(n??{},null,2)}var Pu=`# Integrating

How programs follow streams and publish. The modules and functions below were run against a server in development; Angular's
was type-checked; those for Go, Java and Kotlin are the files that the tests run, each time, against a server that is killed,
stopped, or refuses them. Functions and values of your application (\`load\`, \`show\`, \`token\`, \`user\`) are not defined here.

## What every client does

1. **Listen by name.** Every event has a name; \`onmessage\` never fires. [The README](../README.md#streams) lists the names.
2. **Remember the last id.** Every \`id:\` counts, including that of \`connected\`. An event without an id changes nothing.
3. **Reconnect with it**: \`Last-Event-ID\`, or \`?lastEventId=\` where no header can be set. If both are present, the header counts.
   Wait as long as the last \`retry:\` said.
4. **Load the state at the first \`connected\`, and at each \`reset\`.** Between these, the stream delivers all changes. If you load
   after \`connected\`, you miss nothing: what changes meanwhile arrives as an event. A change may be both in the state and in an
   event, so apply events in a way that may be repeated.
5. **Detect silence.** After three heartbeat intervals without a byte the server is gone; TCP may take hours to notice.
6. **Check \`reconnect\` in an ending.** If it is false, the same token will not be accepted again: get a new one first.

| a stream ends with | a browser's \`EventSource\` | your code |
|---|---|---|
| \`draining\`, \`revoked\`, \`slow\`, \`busy\`, or no event at all | reconnects with the last id after \`retry:\` | nothing |
| \`expired\` | reconnects with the same token, receives 401, and stops for good | close it; open a new one, with a new token and \`lastEventId\` |
| an answer of 401, 404 or 502; with \`STREAM_REFUSAL=status\` also 429 and 503 | stops for good: \`onerror\` with \`readyState\` \`CLOSED\` | open a new one after a while |

The data of \`connected\`, and of endings that ask a client to reconnect, contains the number of \`retry:\` too, as \`retry\`, because
some libraries (\`okhttp-sse\`) hide that field: with these, wait as long as the data says. \`connected\` also contains the time in
milliseconds after which the stream will end with \`expired\`: \`expiresIn\`.

Other libraries behave differently: \`fetch-event-source\` and \`eventsource-client\` retry for ever after a 401, and the former can
lose an event, in rare cases, unless you keep the last id yourself. [clients.md](clients.md) has a table of the behaviour of
eighteen libraries, which the tests determine, and the few lines that each needs.

## Plain JavaScript

\`EventSource\` alone is enough if tokens do not expire:

\`\`\`js
const stream = new EventSource(\`http://localhost:3000/notifications/stream?token=\${encodeURIComponent(token)}\`)
stream.addEventListener('notification', (event) => show(JSON.parse(event.data)))
stream.addEventListener('reset', loadAgain)
\`\`\`

With \`AUTH_COOKIE=sid\` the token may be in a cookie instead: \`new EventSource(url, {withCredentials: true})\`. A page of a different
origin needs an entry in \`CORS_ORIGIN\`; without one the answer is \`403\`, so that no foreign page can use up a visitor's
streams. Calls that publish never accept the cookie.

This module implements all six points, in 70 lines without dependencies. The examples for frameworks below use it.

\`\`\`js
// follow.js
const ENDINGS = ['busy', 'draining', 'revoked', 'slow', 'expired']

/**
 * Follows a stream until the returned function is called.
 *   on     what to do with each event, by name: {notification: (data) => …, reset: (data) => …}
 *   token  a function that returns a token, or a promise of one; asked before each connection that this function opens
 */
export function follow(url, {on, token}) {
  let source, lastId, watchdog, timer, silence = 75_000, stopped = false

  async function open() {
    clearTimeout(timer)
    const target = new URL(url, globalThis.location?.href)
    try {
      const secret = await token?.()
      if (secret) target.searchParams.set('token', secret)
    } catch {
      return later()
    }
    if (lastId) target.searchParams.set('lastEventId', lastId)
    if (stopped) return
    source = new EventSource(target)
    source.onerror = () => {
      // CONNECTING: it comes back by itself, with its last id. CLOSED: it never will (401, 404, 502, …).
      if (source.readyState === EventSource.CLOSED) later()
    }
    for (const name of new Set(['connected', 'heartbeat', 'reset', 'synced', ...ENDINGS, ...Object.keys(on)])) {
      source.addEventListener(name, (event) => take(name, event))
    }
    watch()
  }

  function take(name, event) {
    const data = JSON.parse(event.data)
    lastId = event.lastEventId || lastId
    if (name === 'connected') silence = data.heartbeatInterval * 3
    watch()
    on[name]?.(data, event)
    if (ENDINGS.includes(name) && !data.reconnect) later() // with a new token; the old one will not be taken again
  }

  // A connection whose other end vanished without a word looks open for ever. Heartbeats show that it is.
  function watch() {
    clearTimeout(watchdog)
    if (!stopped) watchdog = setTimeout(later, silence)
  }

  function later() {
    close()
    if (!stopped) timer = setTimeout(open, 2_000 + Math.random() * 3_000)
  }

  function close() {
    clearTimeout(watchdog)
    clearTimeout(timer)
    source?.close()
  }

  open()
  return () => {
    stopped = true
    close()
  }
}
\`\`\`

\`\`\`js
const stop = follow('http://localhost:3000/notifications/stream', {
  token: () => fetch('/my/token').then((answer) => answer.text()),
  on: {
    connected: ({resumed}) => resumed === null && load(),
    notification: (notification) => show(notification),
    reset: () => load(),
  },
})
\`\`\`

After a page was suspended, timers fire late and the connection may be dead: both \`EventSource\` and the watchdog handle
that. With \`HEARTBEAT_STYLE=comment\` silence proves nothing, because a page does not see comments: omit the watchdog then.

## React

\`\`\`jsx
import {useEffect, useRef} from 'react'
import {follow} from './follow.js'

export function useStream(url, on, token) {
  const current = useRef({})
  useEffect(() => {
    current.current = {on, token} // the functions of the latest render, without a new connection for each
  })
  const names = Object.keys(on).join()
  useEffect(() => {
    const call = (name) => (...event) => current.current.on[name]?.(...event)
    const handlers = Object.fromEntries(names.split(',').map((name) => [name, call(name)]))
    return follow(url, {on: handlers, token: () => current.current.token?.()})
  }, [url, names])
}
\`\`\`

\`\`\`jsx
export function Notifications() {
  const [list, setList] = useState([])
  useStream('http://localhost:3000/notifications/stream', {
    connected: ({resumed}) => resumed === null && load().then(setList),
    notification: (one) => setList((list) => [one, ...list]),
    reset: () => load().then(setList),
  })
  return <ul>{list.map(({id, title}) => <li key={id}>{title}</li>)}</ul>
}
\`\`\`

It is safe under \`StrictMode\`, which mounts twice in development. Call it high in the tree and share the result: each call opens
a connection.

## Vue

\`\`\`js
import {onScopeDispose} from 'vue'
import {follow} from './follow.js'

export function useStream(url, on, token) {
  onScopeDispose(follow(url, {on, token}))
}
\`\`\`

\`\`\`vue
<script setup>
import {ref} from 'vue'
import {useStream} from './useStream.js'

const list = ref([])
useStream('http://localhost:3000/notifications/stream', {
  notification: (one) => list.value.unshift(one),
})
<\/script>
\`\`\`

## Angular

\`\`\`ts
import {Injectable} from '@angular/core'
import {Observable} from 'rxjs'
import {follow} from './follow.js'

@Injectable({providedIn: 'root'})
export class Streams {
  follow<T>(url: string, name: string, token?: () => string | Promise<string>) {
    return new Observable<{event: string, data: T}>((subscriber) => {
      const tell = (event: string) => (data: T) => subscriber.next({event, data})
      return follow(url, {on: {connected: tell('connected'), [name]: tell(name), reset: tell('reset')}, token})
    })
  }
}
\`\`\`

Unsubscribing closes the stream; \`toSignal\` does so with its component.

## Node

\`npm install eventsource\` (4.x) provides \`EventSource\`, and custom headers through your own \`fetch\`:

\`\`\`js
import {EventSource} from 'eventsource'

const token = 'dGVzdDEyMzp0ZXN0dXNlcjp0ZXN0QGV4YW1wbGUuY29tOnVzZXIsYWRtaW4='
const source = new EventSource('http://localhost:3000/notifications/stream', {
  fetch: (url, init) => fetch(url, {...init, headers: {...init.headers, Authorization: \`Bearer \${token}\`}}),
})
source.addEventListener('notification', (event) => console.log(event.lastEventId, JSON.parse(event.data).title))
source.addEventListener('reset', (event) => console.warn('re-read the state', event.data))
\`\`\`

Publishing needs no library. Use one key for each event, not for each attempt: then repeating is harmless:

\`\`\`js
async function notify(userId, title, message, key = crypto.randomUUID()) {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const answer = await fetch('http://localhost:3000/notifications/send', {
      method: 'POST',
      headers: {Authorization: \`Bearer \${token}\`, 'Content-Type': 'application/json', 'Idempotency-Key': key},
      body: JSON.stringify({title, message, targetUserId: userId}),
    }).catch(() => undefined) // the answer was lost, the event perhaps not
    if (answer && answer.status !== 503) return answer.json()
    await new Promise((resolve) => setTimeout(resolve, 2_000))
  }
  throw new Error('not published')
}
\`\`\`

Tokens for your users are JSON Web Tokens that any JWT library can sign with the secret of Tidings (\`JWT_SECRET\`):

\`\`\`js
import jwt from 'jsonwebtoken'

const token = jwt.sign({sub: user.id, preferred_username: user.name, roles: ['user']}, process.env.JWT_SECRET, {expiresIn: '15m'})
\`\`\`

| claim | becomes |
|---|---|
| \`sub\`, 1–128 bytes | the user's id, to which events are targeted; required |
| \`exp\` | the expiry, with 30 s of leeway; required, unless \`JWT_REQUIRE_EXP=false\` |
| \`nbf\` | the beginning of its validity, with 30 s of leeway |
| \`preferred_username\`, else \`name\` | the name that a chat shows; without either, the id |
| \`email\` | stored, but shown to nobody |
| \`roles\` | an array, or a text separated by spaces or commas; \`realm_access.roles\` is added |
| \`iss\`, \`aud\` | checked if \`JWT_ISSUER\`, \`JWT_AUDIENCE\` are set |

## Python

\`pip install httpx-sse\`:

\`\`\`python
import json
import random
import time

import httpx
from httpx_sse import connect_sse

URL = "http://localhost:3000/notifications/stream"
TOKEN = "dGVzdDEyMzp0ZXN0dXNlcjp0ZXN0QGV4YW1wbGUuY29tOnVzZXIsYWRtaW4="


def follow(url, token):
    """Yields (event, data) for ever; comes back with the last id."""
    last_id, delay = "", 3.0
    # Three heartbeats of silence mean that the other end is gone.
    with httpx.Client(timeout=httpx.Timeout(10, read=75)) as client:
        while True:
            headers = {"Authorization": f"Bearer {token}"}
            if last_id:
                headers["Last-Event-ID"] = last_id
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    source.response.raise_for_status()  # 401, 404 …: no sense in coming back
                    for event in source.iter_sse():
                        last_id = event.id or last_id
                        if event.retry is not None:
                            delay = event.retry / 1000
                        data = json.loads(event.data)
                        yield event.event, data
                        if data.get("reconnect") is False and event.event in ("expired", "revoked"):
                            return
            except httpx.TransportError:
                pass  # cut on purpose, or the network: the same to us
            time.sleep(delay + random.random())


for name, data in follow(URL, TOKEN):
    print(name, data, flush=True)
\`\`\`

The library's documentation shows a loop that retries on \`httpx.ReadError\`. A stream that Tidings cuts raises
\`RemoteProtocolError\`; \`TransportError\` covers both. \`sseclient-py\` reads one connection and leaves reconnecting to you.

## Go

Two followers with the same interface: one uses only \`net/http\`, the other a library. Both ask for a token before each
connection, so that \`expired\` needs no code, and return when the context ends or the server refuses for good. Both deliver the
events that the server sends about the stream (\`connected\`, \`heartbeat\`, \`reset\`, …) like any other, by name.

\`\`\`go
var last string // from where you keep it
follower := follow.Follower{URL: url, Token: fetchToken, LastID: last, Silence: 75 * time.Second}
err := follower.Follow(ctx, func(event follow.Event) {
	switch event.Name {
	case "connected", "reset": // after a reset, or at the very first \`connected\`: load the state anew
	case "notification":
		show(event.Data)
	}
	if event.ID != "" {
		last = event.ID // keep it together with what you did about the event
	}
})
\`\`\`

With \`net/http\` alone:

\`\`\`go file=clients/go/nethttp/follow.go
// Package follow follows a Tidings stream with net/http alone.
package follow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Event is one event. Keep its ID together with what you did about it: a Follower goes on behind it.
type Event struct{ ID, Name, Data string }

// Refused is a status that no retry changes. After 401, get a new token first.
type Refused int

func (status Refused) Error() string { return fmt.Sprintf("refused with %d", int(status)) }

// Follower follows one stream.
type Follower struct {
	URL     string
	Token   func() (string, error) // asked before each connection, so that \`expired\` needs no code
	LastID  string                 // where to begin: the ID of the last event that was handled, or nothing
	Silence time.Duration          // three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
	retry   time.Duration
}

// Follow hands each event to handle, and returns when ctx ends or the server refuses for good.
func (f *Follower) Follow(ctx context.Context, handle func(Event)) error {
	f.retry = 3 * time.Second
	for {
		var refused Refused
		if errors.As(f.connect(ctx, handle), &refused) {
			return refused
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.retry + rand.N(time.Second)):
		}
	}
}

// connect reads one connection. Whatever ends it is the same to us: a cut on purpose, an expired token, the network.
func (f *Follower) connect(ctx context.Context, handle func(Event)) error {
	token, err := f.Token()
	if err != nil {
		return err
	}
	// net/http has no timeout for a single read. This one covers the wait for the head, too.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(f.Silence, cancel)
	defer watchdog.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+token)
	if f.LastID != "" {
		request.Header.Set("Last-Event-ID", f.LastID)
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case 200:
	case 400, 401, 403, 404, 406:
		return Refused(answer.StatusCode)
	default:
		return fmt.Errorf("answered %d", answer.StatusCode)
	}

	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 512<<10) // an event's data is one line of up to 251 KiB; 64 KiB, the default, end it for good
	var event Event
	var data []string
	for lines.Scan() {
		watchdog.Reset(f.Silence)
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "": // only now is the event complete, and only now does its id count
			watchdog.Stop() // what the handler does may take longer
			if data != nil {
				event.Data = strings.Join(data, "\\n")
				handle(event)
			}
			if event.ID != "" {
				f.LastID = event.ID
			}
			event, data = Event{}, nil
			watchdog.Reset(f.Silence)
		case name == "event":
			event.Name = value
		case name == "data":
			data = append(data, value)
		case name == "id":
			event.ID = value
		case name == "retry":
			if milliseconds, err := strconv.Atoi(value); err == nil {
				f.retry = time.Duration(milliseconds) * time.Millisecond
			}
		}
	}
	return lines.Err()
}

// HTTP/1.1 gives a stream a connection of its own, which ends with it. Over HTTP/2 the next request would go into the same
// connection again, even if nobody is at its other end any more.
var client = func() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	return &http.Client{Transport: transport}
}()
\`\`\`

With \`go get github.com/launchdarkly/eventsource\`, the only one of four libraries that has a read timeout and no limit on the
size of an event:

\`\`\`go file=clients/go/launchdarkly/follow.go
// Package follow follows a Tidings stream with github.com/launchdarkly/eventsource.
package follow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/launchdarkly/eventsource"
)

// Event is one event. Keep its ID together with what you did about it: Follow goes on behind it.
type Event struct{ ID, Name, Data string }

// Refused is a status that no retry changes. After 401, get a new token first.
type Refused int

func (status Refused) Error() string { return fmt.Sprintf("refused with %d", int(status)) }

// Options say what to follow.
type Options struct {
	URL     string
	Token   func() (string, error) // asked before each connection, so that \`expired\` needs no code
	LastID  string                 // where to begin: the ID of the last event that was handled, or nothing
	Silence time.Duration          // three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
}

// Follow hands each event to handle, and returns when ctx ends or the server refuses for good.
func Follow(ctx context.Context, options Options, handle func(Event)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, options.URL, nil)
	if err != nil {
		return err
	}
	var refused error
	// By itself the library asks for ever after a 401, and waits for ever in the channel of errors if nobody reads that.
	onError := func(err error) eventsource.StreamErrorHandlerResult {
		var answer eventsource.SubscriptionError
		if errors.As(err, &answer) {
			switch answer.Code {
			case 400, 401, 403, 404, 406:
				refused = Refused(answer.Code)
			}
		}
		return eventsource.StreamErrorHandlerResult{CloseNow: refused != nil || ctx.Err() != nil}
	}
	stream, err := eventsource.SubscribeWithRequestAndOptions(request,
		eventsource.StreamOptionHTTPClient(client(options)),
		eventsource.StreamOptionLastEventID(options.LastID),
		eventsource.StreamOptionReadTimeout(options.Silence), // there is none by default
		eventsource.StreamOptionCanRetryFirstConnection(-1),  // by default the first failure is the last
		eventsource.StreamOptionErrorHandler(onError),
	)
	if err == nil {
		for event := range stream.Events {
			handle(Event{ID: event.Id(), Name: event.Event(), Data: event.Data()})
		}
		err = ctx.Err()
	}
	if refused != nil {
		return refused
	}
	return err
}

func client(options Options) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// HTTP/1.1 gives a stream a connection of its own, which ends with it. Over HTTP/2 the next request would go into the
	// same connection again, even if nobody is at its other end any more.
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	// The library's read timeout begins behind the head.
	transport.ResponseHeaderTimeout = options.Silence
	return &http.Client{
		Transport: bearer{options.Token, transport},
		// The token is for this server alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bearer adds the token of the moment to each request: the library sends the same request again and again.
type bearer struct {
	token func() (string, error)
	next  http.RoundTripper
}

func (b bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := b.token()
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(request)
}
\`\`\`

[The others](clients.md#go) need: \`r3labs/sse\` and \`tmaxmax/go-sse\` a larger buffer, the former a \`ReconnectStrategy\` that never
ends, the latter a loop for every status but 200.

## Java

Four followers that use different libraries. All but WebClient's are a class with a \`run()\` for a thread of its own, which
returns when a different thread calls \`close()\`, or when the server refuses for good:

\`\`\`java
try (var follower = new OkHttpFollower(url, last, Duration.ofSeconds(75), this::fetchToken, this::handle)) {
  follower.run();
} catch (OkHttpFollower.Refused refused) {
  // 401: get a new token, and follow again from the last id. 403, 404: no retry will help.
}
\`\`\`

The handler receives every event in order, including those that the server sends about the stream (\`connected\`, \`heartbeat\`,
\`reset\`, …). An event whose handler throws does not count as handled: \`run()\` throws the same exception, and a new run from the
last id receives that event again.

With \`com.squareup.okhttp3:okhttp-sse\`:

\`\`\`java file=clients/jvm/okhttp/src/main/java/tidings/clients/OkHttpFollower.java
import java.io.IOException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import okhttp3.Call;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/** Follows a stream with okhttp-sse, which reads one connection and hides the field {@code retry}. */
public final class OkHttpFollower extends EventSourceListener implements AutoCloseable {
  public interface Handler {
    /** Keep the id together with what you did about the event; it is null where the event has none. */
    void on(String id, String name, String data);
  }

  /** A status that no retry changes. After 401, get a new token first. */
  public static final class Refused extends Exception {
    public final int status;

    Refused(int status) {
      super("refused with " + status);
      this.status = status;
    }
  }

  private static final Set<Integer> FINAL = Set.of(400, 401, 403, 404, 406);
  private static final Set<String> CONTROL = Set.of("connected", "busy", "draining", "slow");
  private static final Pattern RETRY = Pattern.compile("\\"retry\\":(\\\\d+)");

  private final OkHttpClient client;
  private final String url;
  private final Supplier<String> token;
  private final Handler handler;
  private String lastId;
  private long retry = 3_000;
  private RuntimeException failure;
  private volatile Call call;
  private volatile boolean closed;

  /**
   * @param lastId where to begin: the id of the last event that was handled, or null
   * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
   * @param token asked before each connection, so that {@code expired} needs no code
   */
  public OkHttpFollower(String url, String lastId, Duration silence, Supplier<String> token, Handler handler) {
    this.url = url;
    this.lastId = lastId;
    this.token = token;
    this.handler = handler;
    // The 10 s that are OkHttp's own are less than the 25 s between two heartbeats; without a timeout a peer that is gone
    // is never noticed.
    client = new OkHttpClient.Builder().readTimeout(silence).build();
  }

  /** Hands each event to the handler, and returns when it is closed. */
  public void run() throws Refused, InterruptedException {
    while (!closed) {
      Request.Builder request = new Request.Builder().url(url);
      request.header("Accept", "text/event-stream").header("Authorization", "Bearer " + token.get());
      if (lastId != null) request.header("Last-Event-ID", lastId);
      call = client.newCall(request.build());
      if (closed) return;
      try (Response answer = call.execute()) {
        if (FINAL.contains(answer.code())) throw new Refused(answer.code());
        if (answer.isSuccessful()) EventSources.processResponse(answer, this);
      } catch (IOException lost) {
        // The network, or nobody is there. What breaks off later is told to onFailure; we come back from all of it.
      }
      if (failure != null) throw failure;
      if (!closed) Thread.sleep(retry + ThreadLocalRandom.current().nextLong(1_000));
    }
  }

  @Override
  public void onEvent(EventSource source, String id, String name, String data) {
    try {
      handler.on(id, name, data);
    } catch (RuntimeException thrown) { // OkHttp would take it for a failure of the connection
      failure = thrown;
      call.cancel();
      return;
    }
    if (id != null) lastId = id;
    if (CONTROL.contains(name)) {
      Matcher told = RETRY.matcher(data);
      if (told.find()) retry = Long.parseLong(told.group(1));
    }
  }

  @Override
  public void close() {
    closed = true;
    if (call != null) call.cancel();
  }
}
\`\`\`

With LaunchDarkly's \`com.launchdarkly:okhttp-eventsource\`:

\`\`\`java file=clients/jvm/launchdarkly/src/main/java/tidings/clients/EventSourceFollower.java
import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.RetryDelayStrategy;
import com.launchdarkly.eventsource.StreamException;
import com.launchdarkly.eventsource.StreamHttpErrorException;
import java.net.URI;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Follows a stream with LaunchDarkly's okhttp-eventsource, which comes back by itself at the next read. */
public final class EventSourceFollower implements AutoCloseable {
  public interface Handler {
    /** Keep the id, which is that of the last event that had one, together with what you did about the event. */
    void on(String id, String name, String data);
  }

  private static final Set<Integer> FINAL = Set.of(400, 401, 403, 404, 406);

  private final EventSource source;
  private final Handler handler;
  private volatile boolean closed;

  /**
   * @param lastId where to begin: the id of the last event that was handled, or null
   * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
   * @param token asked before each connection, so that {@code expired} needs no code
   */
  public EventSourceFollower(URI uri, String lastId, Duration silence, Supplier<String> token, Handler handler) {
    this.handler = handler;
    source =
        new EventSource.Builder(
                ConnectStrategy.http(uri)
                    .readTimeout(silence.toMillis(), TimeUnit.MILLISECONDS) // 5 s by default
                    .requestTransformer(
                        request -> request.newBuilder().header("Authorization", "Bearer " + token.get()).build()))
            .lastEventId(lastId)
            // It doubles what \`retry\` said at each failure, up to 30 s by default.
            .retryDelayStrategy(RetryDelayStrategy.defaultStrategy().maxDelay(10, TimeUnit.SECONDS))
            .build();
  }

  /**
   * Hands each event to the handler, and returns when it is closed.
   *
   * @throws StreamHttpErrorException with a status that no retry changes; after 401, get a new token first
   */
  public void run() throws StreamHttpErrorException {
    while (!closed) {
      try {
        MessageEvent event = source.readMessage();
        handler.on(event.getLastEventId(), event.getEventName(), event.getData());
      } catch (StreamHttpErrorException refused) {
        if (FINAL.contains(refused.getCode())) throw refused;
      } catch (StreamException lost) {
        // Cut on purpose, an expired token, the network: it comes back at the next read, with the last id.
        // Or it was closed.
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    source.close();
  }
}
\`\`\`

With Spring's \`WebClient\` (Boot's starter for WebFlux, or \`spring-webflux\`, \`spring-context\` and \`reactor-netty-http\`):

\`\`\`java file=clients/jvm/spring/src/main/java/tidings/clients/WebClientFollower.java
import java.io.EOFException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.http.MediaType;
import org.springframework.http.codec.ServerSentEvent;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.reactive.function.client.WebClientResponseException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.retry.Retry;

/** Follows a stream with Spring's WebClient, which reads one connection. */
public final class WebClientFollower {
  private static final Set<Integer> FINAL = Set.of(400, 401, 403, 404, 406);
  private static final ParameterizedTypeReference<ServerSentEvent<String>> EVENT = new ParameterizedTypeReference<>() {};

  private WebClientFollower() {}

  /**
   * Ends with a {@link WebClientResponseException} when a status says that no retry will help; after 401, get a new token
   * first. Keep the id of an event, where it has one, together with what you did about the event.
   *
   * @param lastId where to begin: the id of the last event that was handled, or null
   * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
   * @param token asked before each connection, so that {@code expired} needs no code
   */
  public static Flux<ServerSentEvent<String>> follow(
      WebClient.Builder builder, String url, String lastId, Duration silence, Supplier<String> token) {
    // The largest event is of 251 KiB, and what is larger than this limit would end the stream at it for ever.
    WebClient client = builder.codecs(codecs -> codecs.defaultCodecs().maxInMemorySize(512 * 1024)).build();
    var last = new AtomicReference<>(lastId);
    var retry = new AtomicReference<>(Duration.ofSeconds(3));
    Flux<ServerSentEvent<String>> connection =
        Flux.defer(
            () ->
                client
                    .get()
                    .uri(url)
                    .accept(MediaType.TEXT_EVENT_STREAM) // else a passing refusal is 429 or 503, not \`busy\`
                    .headers(
                        headers -> {
                          headers.setBearerAuth(token.get());
                          if (last.get() != null) headers.set("Last-Event-ID", last.get());
                        })
                    // \`retrieve\` tells of a refusal by what it makes of the body, which some decoders (Gson's) refuse.
                    .exchangeToFlux(
                        answer ->
                            answer.statusCode().value() == 200
                                ? answer.bodyToFlux(EVENT)
                                : answer.<ServerSentEvent<String>>createError().flux()));
    return connection
        .timeout(silence)
        .doOnNext(
            event -> {
              if (event.id() != null) last.set(event.id());
              if (event.retry() != null) retry.set(event.retry());
            })
        // A finished stream, such as one whose token expired, would end the Flux without a word.
        .concatWith(Mono.error(() -> new EOFException("finished")))
        .retryWhen(
            Retry.from(
                ends ->
                    ends.concatMap(
                        end ->
                            isFinal(end.failure())
                                ? Mono.error(end.failure())
                                : Mono.delay(retry.get().plusMillis(ThreadLocalRandom.current().nextLong(1_000))))));
  }

  private static boolean isFinal(Throwable end) {
    return end instanceof WebClientResponseException refused && FINAL.contains(refused.getStatusCode().value());
  }
}
\`\`\`

With the JDK alone:

\`\`\`java file=clients/jvm/jdk/src/main/java/tidings/clients/JdkFollower.java
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Follows a stream with java.net.http, which reads no events and has no read timeout. */
public final class JdkFollower implements AutoCloseable {
  public interface Handler {
    /** Keep the id together with what you did about the event; it is null where the event has none. */
    void on(String id, String name, String data);
  }

  /** A status that no retry changes. After 401, get a new token first. */
  public static final class Refused extends Exception {
    public final int status;

    Refused(int status) {
      super("refused with " + status);
      this.status = status;
    }
  }

  private static final Set<Integer> FINAL = Set.of(400, 401, 403, 404, 406);

  // HTTP/1.1 gives a stream a connection of its own, which ends with it. Over HTTP/2 the next request would go into the
  // same connection again, even if nobody is at its other end any more.
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();
  private final URI uri;
  private final Duration silence;
  private final Supplier<String> token;
  private final Handler handler;
  private String lastId;
  private long retry = 3_000;
  private volatile Stream<String> body;
  private volatile boolean reading;
  private volatile long heard;
  private volatile boolean closed;

  /**
   * @param lastId where to begin: the id of the last event that was handled, or null
   * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
   * @param token asked before each connection, so that {@code expired} needs no code
   */
  public JdkFollower(URI uri, String lastId, Duration silence, Supplier<String> token, Handler handler) {
    this.uri = uri;
    this.lastId = lastId;
    this.silence = silence;
    this.token = token;
    this.handler = handler;
  }

  /** Hands each event to the handler, and returns when it is closed. */
  public void run() throws Refused, InterruptedException {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    timer.scheduleWithFixedDelay(this::watch, 1, 1, TimeUnit.SECONDS);
    try {
      while (!closed) {
        // This timeout ends with the head of the answer.
        HttpRequest.Builder request = HttpRequest.newBuilder(uri).timeout(silence);
        request.header("Accept", "text/event-stream").header("Authorization", "Bearer " + token.get());
        if (lastId != null) request.header("Last-Event-ID", lastId);
        try {
          HttpResponse<Stream<String>> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofLines());
          try (Stream<String> lines = answer.body()) {
            if (FINAL.contains(answer.statusCode())) throw new Refused(answer.statusCode());
            body = lines;
            if (answer.statusCode() == 200 && !closed) read(lines.iterator());
          }
        } catch (IOException | UncheckedIOException lost) {
          // Cut on purpose, closed by the watchdog, the network: the same to us.
        } finally {
          reading = false;
        }
        if (!closed) Thread.sleep(retry + ThreadLocalRandom.current().nextLong(1_000));
      }
    } finally {
      timer.shutdownNow();
    }
  }

  /** Closes a stream of which nothing was heard for too long. Nothing else ends a read: Thread.interrupt does not. */
  private void watch() {
    if (reading && System.nanoTime() - heard > silence.toNanos()) body.close();
  }

  private void read(Iterator<String> lines) {
    String id = null;
    String name = null;
    StringBuilder data = new StringBuilder();
    while (true) {
      heard = System.nanoTime();
      reading = true;
      if (!lines.hasNext()) return;
      String line = lines.next();
      reading = false; // what the handler does may take longer
      if (line.isEmpty()) { // only now is the event complete, and only now does its id count
        if (data.length() > 0) handler.on(id, name, data.substring(1));
        if (id != null) lastId = id;
        id = null;
        name = null;
        data.setLength(0);
        continue;
      }
      int colon = line.indexOf(':');
      if (colon < 1) continue;
      String value = line.substring(line.startsWith(" ", colon + 1) ? colon + 2 : colon + 1);
      switch (line.substring(0, colon)) {
        case "id" -> id = value;
        case "event" -> name = value;
        case "data" -> data.append('\\n').append(value);
        case "retry" -> retry = Long.parseLong(value);
        default -> {}
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    if (body != null) body.close();
  }
}
\`\`\`

## Kotlin

With Ktor (\`io.ktor:ktor-client-cio\`). Cancelling the coroutine ends it:

\`\`\`kotlin file=clients/jvm/ktor/src/main/kotlin/tidings/clients/KtorFollower.kt
import io.ktor.client.HttpClient
import io.ktor.client.engine.cio.CIO
import io.ktor.client.plugins.HttpTimeout
import io.ktor.client.plugins.sse.SSE
import io.ktor.client.plugins.sse.SSEClientException
import io.ktor.client.plugins.sse.sse
import io.ktor.client.request.bearerAuth
import io.ktor.client.request.header
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive

/** A status that no retry changes. After 401, get a new token first. */
class Refused(val status: Int) : Exception("refused with $status")

private val FINAL = setOf(400, 401, 403, 404, 406)

/**
 * Follows a stream with Ktor's plugin for server-sent events, until it is cancelled or the server refuses for good.
 *
 * @param lastId where to begin: the id of the last event that was handled, or null
 * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
 * @param token asked before each connection, so that \`expired\` needs no code
 * @param handle gets id, name and data; keep the id together with what you did about the event
 */
suspend fun follow(
    url: String,
    lastId: String?,
    silence: Duration,
    token: suspend () -> String,
    handle: suspend (id: String?, name: String?, data: String) -> Unit,
) {
    val client = HttpClient(CIO) {
        install(SSE)
        install(HttpTimeout) { socketTimeoutMillis = silence.inWholeMilliseconds }
    }
    var last = lastId
    var retry = 3.seconds
    var failure: Exception? = null
    client.use {
        while (true) {
            val bearer = token()
            try {
                client.sse(urlString = url, request = {
                    bearerAuth(bearer)
                    last?.let { header("Last-Event-ID", it) }
                }) {
                    // The plugin does not come back by itself: \`incoming\` just ends when the connection breaks.
                    incoming.collect { event ->
                        event.retry?.let { retry = it.milliseconds }
                        try {
                            event.data?.let { handle(event.id, event.event, it) }
                        } catch (thrown: Exception) {
                            failure = thrown // the plugin would wrap it
                            throw thrown
                        }
                        event.id?.let { last = it }
                    }
                }
            } catch (end: Exception) {
                failure?.let { throw it }
                currentCoroutineContext().ensureActive() // cancelled from outside?
                val status = (end as? SSEClientException)?.response?.status?.value
                if (status in FINAL) throw Refused(status!!)
            }
            delay(retry + Random.nextInt(1_000).milliseconds)
        }
    }
}
\`\`\`

## Publishing

Every part of a request is understood, or the request is refused with \`400\` and the name of the wrong part; then nothing is
published.

- **Queries.** \`entities\` may be repeated (\`entities=a&entities=b\`, \`entities[]=a\`), separated by commas, or empty, which filters
  nothing. Any other parameter has one value: two different ones are refused, and so is an empty \`targetUserId\` or \`roomId\`. A name
  that differs from a known one of the path by case, \`_\`, \`-\` or one letter (\`targetUserID\`, \`roomid\`) is refused with the correct
  name; other names are ignored. In a body only \`targetUserId\` is checked in this way, because other fields are passed on.
- **JSON.** Bodies are UTF-8 without a byte order mark and without a \`Content-Encoding\`. They are passed on unchanged: digits,
  order and escapes. Data that not every reader can read is refused, with its position: half of a surrogate pair (\`"\\ud83d"\`, from
  a string that was cut in the middle of an emoji), a number that overflows a double (\`1e400\`), more than 120 levels. If a name
  occurs twice in the outermost object the last value counts, as in JavaScript; two different targets are refused.
- **Names** of rooms, entities and services are 1–128 letters, digits and \`-_.:@\`, but not \`.\` or \`..\`, which no URL can contain.
  The ids of users come from their tokens. In a path encode them with \`encodeURIComponent\`; for ids that are \`.\` or \`..\`, and behind
  proxies that decode \`%2F\`, use \`DELETE /system/users/connections?userId=\` in place of the call with the id in its path.
- **Authorship.** The server sets \`id\`, \`timestamp\`, \`username\` and the author's \`userId\` in updates and chat messages. The
  \`userId\` in a *notification* is set by the publisher and passed on like any field, so do not treat it as the author's id
  unless you trust everybody who may publish to its readers.
- **Headers.** HTTP/1.1 needs exactly one \`Host\`, also in health checks (HAProxy: \`http-check send … hdr Host …\`). A page of a
  different origin may send \`traceparent\`, \`tracestate\` and \`baggage\`; allow headers that your libraries add (\`sentry-trace\`,
  \`x-datadog-trace-id\`) with \`CORS_HEADERS\`.

## curl

    curl -N http://localhost:3000/notifications/stream                                    # live
    curl -N 'http://localhost:3000/notifications/stream?lastEventId=earliest'             # all that is kept, then live
    curl 'http://localhost:3000/events?topic=notifications&limit=10'                      # a page, and its end
    curl 'http://localhost:3000/events?topic=notifications&limit=10&before=latest'        # the newest ten, and \`prev\`
    curl -N -H "Authorization: Bearer $TOKEN" http://localhost:3000/chat/stream           # all rooms

\`-N\` disables curl's own buffering. curl does not list \`text/event-stream\` in \`Accept\`, so it receives 429 or 503 where a browser
receives \`busy\`; with \`-H 'Accept: text/event-stream'\` it receives \`busy\` too. Spring's \`WebClient\` and Java's \`HttpClient\` send
\`Accept: */*\` or none, so this applies to them too. A stream that was cut on purpose ends with curl's error 18 (HTTP/2: 92).

Do not follow a stream with \`curl --retry-all-errors\`: curl reconnects without the last id, and the events in between are lost
silently. \`tidings tail URL\` resumes after the last id, waits as long as it should, and says if something is missing.

## Large events

The data of an event is one line of at most 251 KiB, whichever call published it; the answer to a larger one is \`413\`. Some readers
have a lower limit unless they are given a larger buffer, and then they stop *for good*: they resume by their last id, receive the
same event, and never see the events after it. In development the server warns once of an event above 64 KiB.

| reader | stops at | what to set |
|---|---|---|
| Go's \`bufio.Scanner\`, and code that uses it | 64 KiB, with \`bufio.ErrTooLong\` from \`Err()\` | \`scanner.Buffer(nil, 512<<10)\` |
| Go, \`github.com/r3labs/sse/v2\` | 64 KiB | \`sse.NewClient(url, sse.ClientMaxBufferSize(512<<10))\` |
| Go, \`github.com/tmaxmax/go-sse\` | 64 KiB | \`connection.Buffer(nil, 512<<10)\` |
| Spring's \`WebClient\` | 256 KiB, which no event reaches | nothing; \`codecs().maxInMemorySize(…)\` where it was lowered |

Put larger data into your own storage, and its address into the event.

## Many tabs

Over HTTP/1.1 a browser opens six connections to an origin, in all tabs together; the seventh stream waits silently. HTTP/2
between browser and proxy removes that limit. Without it, follow the stream in one place, for example a \`SharedWorker\`, and
distribute the events.

The server has a limit too: 20 streams for each user, in all tabs and on all devices (\`MAX_CONNECTIONS_PER_USER\`). The next
one is refused with \`busy\`, reason \`too_many_connections\`, and retries until a stream is closed. Everybody who uses the demo token
is the same user.

## Coming from a NestJS SSE boilerplate

Tidings can replace such a server, which has notifications, real-time updates, chat and system status behind \`@Sse()\` routes. Its
front ends work unchanged.

**What stays the same**

- Paths, bodies and answers of \`/notifications\`, \`/realtime\`, \`/chat\` and \`/system\`, \`/health\` and \`/api\`; \`PORT\` 3000, \`NODE_ENV\`,
  \`.env\`, \`CORS_ORIGIN\`, \`CORS_CREDENTIALS\`, \`JWT_SECRET\`, \`JWT_EXPIRES_IN\`.
- Event names (\`connected\`, \`heartbeat\`, \`notification\`, \`realtime-update\`, \`chat-message\`, \`system-status\`) and their data, with ids
  such as \`notif_1795491568370_zcs8rxana\` *inside* the data; times in UTC with milliseconds.
- The demo token, Base64 of \`userId:username:email:roles\`, as \`Authorization: Bearer\` or \`?token=\`.
- \`{"statusCode","error","message"}\` in errors, with the same texts for missing and bad tokens.
- The names in \`connectionsByType\`, where each stream also counts as \`heartbeat\`.

**What is intentionally better**

| there | here |
|---|---|
| an event has an \`id:\`, but a client can't resume after it; \`connected\` and \`heartbeat\` overwrite it with counters | a stream can resume after the id of every stored event; heartbeats have no id |
| a client that was disconnected misses events | it receives what it missed, or a \`reset\` |
| a filtered stream sends blocks with an id and nothing else | a filter chooses topics; there are no such blocks |
| a targeted event goes to all streams of the user | it goes to the user's streams of that group: a notification to notification streams |
| any token may broadcast, list connections and clean up | these need the role \`admin\`; with \`OPEN_PUBLISH=true\` any valid token may publish to all again |
| anybody who can write Base64 is an administrator, in production too | production accepts JSON Web Tokens; demo tokens only with \`AUTH_DEMO=true\`, and a warning |
| a publisher can set fields of the server (\`id\`, \`timestamp\`) | the server overwrites them |
| joining a room twice is announced twice | once; members are listed, and membership ends when a member leaves or stays away |
| a new status stream begins empty | it begins with the latest status of each service |
| streams vanish when the server stops | they are ended one by one, and resume |

**What may need a change**

- Your publishers, if they broadcast with a token without the role \`admin\`: see \`OPEN_PUBLISH\`.
- Code that relied on the numbers in the ids of \`connected\` and \`heartbeat\`.
- Code that expected a targeted notification on a chat or status stream.
- Validation: bodies with missing or overlong fields are answered \`400\` and name each field.
`,Fu=[`Plain JavaScript`,`React`,`Vue`,`Angular`,`Node`,`Python`,`Go`,`Java`,`Kotlin`],Iu=Ru(Pu).filter(({title:e})=>Fu.some(t=>e.startsWith(t)));function Lu({who:e}){let[t,n]=R(Iu[0]?.title??``),r=Iu.find(e=>e.title===t);return W(`article`,{class:`operation`,"aria-label":`In your application`,children:[W(`div`,{class:`card`,children:[W(`h2`,{children:`In your application`}),W(`p`,{class:`prose`,children:[`Listen by name: every event has one, so `,W(`code`,{children:`onmessage`}),` never fires. Remember the last id and come back with it. Load your state at the first `,W(`code`,{children:`connected`}),` and at each `,W(`code`,{children:`reset`}),`. An ending says whether to come back.`]}),W($t,{label:`The shortest client`,text:Bn(`JavaScript`,{method:`GET`,path:`/notifications/stream`,token:Ot(e).token,stream:!0})})]}),W(`div`,{class:`card`,children:[W(Zt,{label:`Where`,value:t,options:Iu.map(e=>({value:e.title,label:e.title})),onValue:n}),r?.parts.map(({code:e,text:n},r)=>e?W($t,{text:n,label:`${t}, part ${r+1}`},`${t}${r}`):W(`p`,{class:`prose`,children:n.split("`").map((e,t)=>t%2==1?W(`code`,{children:e},t):e)},`${t}${r}`))]})]})}function Ru(e){return e.split(/^## /m).slice(1).map(e=>{let[t=``,...n]=e.split(`
`);return{title:t,parts:n.join(`
`).split(/^```.*$/m).flatMap((e,t)=>t%2==1?[{code:!0,text:e.trim()}]:e.split(/\n{2,}/).map(e=>e.trim()).filter(e=>e&&!e.startsWith(`|`)).map(e=>({code:/^ {4}/.test(e),text:zu(e)})))}})}function zu(e){return e.replace(/\[([^\]]+)\]\([^)]+\)/g,`$1`).replaceAll(`**`,``).replaceAll(`
`,` `)}function Bu({document:e,operation:t,who:n}){let[r,i]=R(()=>Object.fromEntries(t.parameters.map(({name:e,required:t,example:n})=>[e,t&&n?String(n):``]))),[a,o]=R(()=>t.body?Nu(e,t.body):void 0),[s,c]=R(`curl`),l=Vu(t,r,a,n);return W(`article`,{class:`operation`,"aria-label":t.summary,children:[W(`header`,{class:`card`,children:[W(`p`,{class:`line path-line`,children:[W(ed,{operation:t}),W(`code`,{children:t.path}),W(`span`,{class:`chip`,children:[`needs `,t.needs]})]}),W(`h2`,{children:t.summary}),t.description&&W(Ku,{text:t.description})]}),W(`div`,{class:`halves`,children:[W(`div`,{class:`stack`,children:[W(`section`,{class:`card`,"aria-label":`Takes`,children:[W(`h2`,{children:`Takes`}),t.parameters.length===0&&!t.body&&W(`p`,{class:`faint`,children:`Nothing.`}),t.parameters.map(t=>W(`div`,{class:`parameter`,children:[W(Yt,{label:`${t.name} (${t.in}${t.required?`, required`:``})`,value:r[t.name]??``,onValue:e=>i({...r,[t.name]:e}),placeholder:t.example?String(t.example):``,mono:!0}),W(`p`,{class:`hint`,children:[W(Ku,{text:t.description??``}),W(`span`,{class:`mono`,children:[ju(e,t.schema),Mu(e,t.schema)].filter(Boolean).join(`, `)})]})]},t.name)),a!==void 0&&W(x,{children:[W(Yt,{label:`Body (JSON)`,value:a,onValue:o,lines:Math.min(12,a.split(`
`).length+1),mono:!0}),t.body?.description&&W(`p`,{class:`hint`,children:t.body.description}),W(Gu,{document:e,schema:t.body?.schema})]})]}),W(`section`,{class:`card`,"aria-label":`Answers`,children:[W(`h2`,{children:`Answers`}),t.answers.map(({status:t,description:n,media:r,schema:i})=>W(`details`,{class:`answers`,open:t===`200`,children:[W(`summary`,{children:[W(`span`,{class:`chip ${t<`400`?`good`:`bad`}`,children:t}),` `,W(Ku,{text:n})]}),r&&W(`p`,{class:`hint mono`,children:r}),t<`400`?W(Gu,{document:e,schema:i}):W(`p`,{class:`hint`,children:`statusCode, error, message, code, details?`})]},t))]})]}),W(`div`,{class:`stack`,children:[W(`section`,{class:`card`,"aria-label":`Written out`,children:[W(`div`,{class:`line spread`,children:[W(`h2`,{children:`Written out`}),W(Zt,{label:`Language`,value:s,options:zn.map(e=>({value:e,label:e})),onValue:c})]}),W($t,{text:Bn(s,l),label:`Snippet`})]}),W(`section`,{class:`card`,"aria-label":`Try it`,children:t.stream?W(Wu,{call:l}):W(Uu,{call:l})})]})]})]})}function Vu(e,t,n,r){let i=new URLSearchParams,a={},o=e.path;for(let{name:n,in:r}of e.parameters){let e=t[n]??``;r===`path`?o=o.replace(`{${n}}`,e?encodeURIComponent(e):`{${n}}`):e&&r===`query`?i.set(n,e):e&&(a[n]=e)}return{method:e.method,path:o+(i.size>0?`?${i}`:``),token:Ot(r).token,body:n===void 0?void 0:Hu(n),headers:a,stream:e.stream}}function Hu(e){try{return JSON.stringify(JSON.parse(e))}catch{return e}}function Uu({call:e}){let[t,n]=R(),[r,i]=R(!1),a=async()=>{i(!1);try{n(await xt(e))}catch{n(void 0),i(!0)}};return W(x,{children:[W(`div`,{class:`line spread`,children:[W(`h2`,{children:`Try it`}),W(`button`,{type:`button`,class:`primary`,onClick:()=>void a(),children:[`Send `,e.method]})]}),t&&W(G,{answer:t}),r&&W(`p`,{class:`trouble`,children:`No answer came.`})]})}function Wu({call:e}){let[t,n]=R({is:`closed`}),[r,i]=R([]),a=Ce(void 0);B(()=>()=>a.current?.close(),[]);let o=t.is!==`closed`&&t.is!==`failed`,s=()=>o?a.current?.close():(i([]),a.current=new _n({url:vt(e.path),token:e.token,lastEventId:e.headers?.[`Last-Event-ID`],onState:n,onEvent:e=>i(t=>[...t,e].slice(-30))}),a.current.open()),c=r.map(({event:e,id:t,data:n})=>`event: ${e}\ndata: ${n}\n${t?`id: ${t}\n`:``}`).join(`
`);return W(x,{children:[W(`div`,{class:`line spread`,children:[W(`h2`,{children:`Try it`}),W(`button`,{type:`button`,class:o?``:`primary`,onClick:s,children:o?`Close the stream`:`Open the stream`})]}),t.is===`failed`&&W(`div`,{class:`trouble`,role:`alert`,children:[W(`p`,{children:[W(`span`,{class:`chip bad`,children:t.refusal.status}),` `,t.refusal.message]}),nn(t.refusal.code)&&W(`p`,{children:nn(t.refusal.code)})]}),c&&W($t,{text:c,label:`Events`})]})}function Gu({document:e,schema:t,depth:n=0}){let r=Au(e,t),i=r.items?Au(e,r.items):r,a=Object.entries(i.properties??{});return a.length===0||n>2?null:W(`dl`,{class:`fields depth-${n}`,children:a.map(([t,r])=>{let a=Au(e,r).description;return W(`div`,{children:[W(`dt`,{class:`mono`,children:[t,!i.required?.includes(t)&&`?`]}),W(`dd`,{children:[W(`span`,{class:`faint`,children:[ju(e,r),Mu(e,r)].filter(Boolean).join(`, `)}),a&&W(Ku,{text:a}),W(Gu,{document:e,schema:r,depth:n+1})]})]},t)})})}function Ku({text:e}){return W(`span`,{class:`prose`,children:[e.split("`").map((e,t)=>t%2==1?W(`code`,{children:e},t):e),` `]})}var qu=U(void 0),Ju=U(``),Yu=U(``),Xu=U(``);async function Zu(){try{qu.value=(await xt({method:`GET`,path:`/openapi.json`})).body}catch{Ju.value=`The document could not be had.`}}function Qu({rest:e}){B(()=>{qu.value||Zu()},[]);let t=qu.value,[n=`integrate`]=e;if(!t)return W(en,{children:Ju.value||`Loading …`});let r=Du(t),i=r.find(e=>e.id===n),a=Yu.value||(Dt.value[0]?.key??``);return W(x,{children:[W(`div`,{class:`view-head`,children:[W(`h1`,{children:`Reference`}),W(`p`,{class:`lead`,children:[`Every call of version `,t.info.version,`, from `,W(`a`,{href:`./openapi.json`,children:`openapi.json`}),`.`]}),W(`div`,{class:`sub who`,children:W(rn,{label:`Call as`,value:a,onValue:e=>Yu.value=e})})]}),W(`div`,{class:`reference`,children:[W($u,{document:t,operations:r,current:n}),i?W(Bu,{document:t,operation:i,who:a},i.id):W(Lu,{who:a})]})]})}function $u({document:e,operations:t,current:n}){let r=Xu.value.toLowerCase(),i=e=>`${e.method} ${e.path} ${e.summary}`.toLowerCase().includes(r);return W(`nav`,{class:`card index`,"aria-label":`Calls`,children:[W(`input`,{type:`search`,"aria-label":`Find a call`,placeholder:`Find a call`,value:Xu.value,onInput:e=>Xu.value=e.currentTarget.value}),W(`div`,{class:`groups`,children:[W(`section`,{children:W(`a`,{href:`#/reference/integrate`,"aria-current":n===`integrate`?`page`:void 0,children:`In your application`})}),e.tags.map(({name:e})=>{let r=t.filter(t=>t.tag===e&&i(t));return r.length===0?null:W(`section`,{children:[W(`h2`,{children:e}),r.map(e=>W(`a`,{href:`#/reference/${e.id}`,"aria-current":e.id===n?`page`:void 0,title:e.summary,children:[W(ed,{operation:e}),W(`span`,{class:`mono`,children:e.path.split(`/`).map((e,t)=>t===0?e:[W(`wbr`,{},t),`/${e}`])})]},e.id))]},e)})]})]})}function ed({operation:e}){let t=e.stream?`stream`:e.method;return W(`span`,{class:`method ${t.toLowerCase()}`,children:t})}var td=[{key:`console`,label:`Console`,view:wr},{key:`dashboard`,label:`Dashboard`,view:Xc},{key:`reference`,label:`Reference`,view:Qu},{key:`doctor`,label:`Doctor`,view:xu}],nd=U(location.hash);addEventListener(`hashchange`,()=>{nd.value=location.hash});var rd=[{value:`auto`,label:`Auto`},{value:`light`,label:`Light`},{value:`dark`,label:`Dark`}],id=U(localStorage.getItem(`tidings-theme`)??`auto`);nt(()=>{document.documentElement.dataset.theme=id.value,localStorage.setItem(`tidings-theme`,id.value)});function ad(){B(()=>void yt(),[]);let[,e=``,...t]=nd.value.split(`/`),n=td.find(({key:t})=>t===e)??td[0];return B(()=>{document.title=`${n.label} · Tidings`},[n]),W(x,{children:[W(`a`,{class:`skip`,href:`#main`,onClick:e=>{e.preventDefault(),document.getElementById(`main`)?.focus()},children:`To the content`}),W(`header`,{class:`top`,children:[W(`a`,{class:`brand`,href:`#/console`,children:[W(`svg`,{viewBox:`0 0 32 32`,"aria-hidden":`true`,children:[W(`rect`,{width:`32`,height:`32`,rx:`8`}),W(`path`,{d:`M9 16a7 7 0 0 1 7 7M9 9a14 14 0 0 1 14 14`}),W(`circle`,{cx:`9.4`,cy:`22.6`,r:`2.4`})]}),`Tidings`,gt.value&&W(`span`,{class:`version`,children:gt.value.version})]}),W(`nav`,{"aria-label":`Views`,children:td.map(({key:e,label:t})=>W(`a`,{href:`#/${e}`,"aria-current":e===n.key?`page`:void 0,children:t},e))}),W(Zt,{label:`Theme`,value:id.value,options:rd,onValue:e=>id.value=e})]}),_t.value&&W(`p`,{class:`banner`,role:`alert`,children:`The server does not answer. Trying again …`}),W(`main`,{id:`main`,tabIndex:-1,children:gt.value&&W(n.view,{rest:t})})]})}var od=document.getElementById(`app`);od&&F(W(ad,{}),od);