// What ad platforms and analytics need to know a visitor again, and what the visitor has agreed to, as texts: for the
// metadata of your own checkout, or (by itself) for the cart of a Shopify shop. Load it on every page: click ids stand
// in the address of the first one only. Where ads are denied, nothing but that is told.
function trackbridgeLink(consent = {}) {
  const clicks = 'gclid gbraid wbraid fbclid msclkid ttclid twclid li_fat_id epik ScCid rdt_cid'.split(' ')
  const query = new URLSearchParams(location.search)
  const cookie = (name) => (document.cookie.match(`(?:^|; )${name}=([^;]*)`) || [])[1]
  const said = {}
  for (const name of ['ads', 'analytics', 'personalization'])
    if (name in consent) said['consent_' + name] = consent[name] ? 'granted' : 'denied'
  if ('sale_opt_out' in consent) said.consent_sale_opt_out = String(consent.sale_opt_out)
  let kept = {}
  try { kept = JSON.parse(sessionStorage.trackbridge || '{}') } catch {}  // a browser may forbid it
  for (const name of clicks) if (query.get(name)) kept[name] = query.get(name)
  kept.page_url = kept.page_url || location.href
  try { sessionStorage.trackbridge = JSON.stringify(consent.ads === false ? {} : kept) } catch {}
  if (consent.ads === false) return said
  const found = {
    ...kept, ...said, user_agent: navigator.userAgent,
    fbp: cookie('_fbp'), fbc: cookie('_fbc'), ttp: cookie('_ttp'), epik: kept.epik || cookie('_epik'),
    li_fat_id: kept.li_fat_id || cookie('li_fat_id'),
    ga_client_id: ((cookie('_ga') || '').match(/\d+\.\d+$/) || [])[0],
    ga_session_id: ((cookie('_ga_\\w+') || '').match(/^GS\d\.\d\.s?(\d+)/) || [])[1],
  }
  return Object.fromEntries(Object.entries(found).filter(([, text]) => text && text.length <= 500))
}

if (window.Shopify) {
  let before = {}
  const write = () => {
    const privacy = Shopify.customerPrivacy
    const link = trackbridgeLink(privacy && {
      ads: privacy.marketingAllowed(), analytics: privacy.analyticsProcessingAllowed(),
      sale_opt_out: !privacy.saleOfDataAllowed(),
    })
    const attributes = {}  // a `_` hides them from the buyer in most themes; an empty text takes one away
    for (const name in { ...before, ...link }) attributes['_' + name] = link[name] || ''
    before = link
    fetch('/cart/update.js', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ attributes }),
    })
  }
  document.addEventListener('visitorConsentCollected', write)
  if (Shopify.loadFeatures) Shopify.loadFeatures([{ name: 'consent-tracking-api', version: '0.1' }], write)
  else write()
}
