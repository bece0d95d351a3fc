// Sets a chosen theme before the first paint; without a choice the system's is used.
try {
  const chosen = localStorage.getItem('memwatch.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme is fine.
}
