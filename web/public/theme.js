// Sets the theme before the first paint; the same keys are read by src/lib/theme.ts.
(function () {
  var theme = 'dark';
  try {
    var kept = localStorage.getItem('cinema.theme');
    if (kept === 'light' || kept === 'dark') theme = kept;
    else if (kept === 'system' && matchMedia('(prefers-color-scheme: light)').matches) theme = 'light';
  } catch {
    // Storage may be closed to us; the default stays.
  }
  document.documentElement.dataset.theme = theme;
})();
