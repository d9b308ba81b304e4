// Runs before the first paint, so that who chose light or dark never sees the other flash by.
{
  const chosen = localStorage.getItem('theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
}
