// Sets the chosen theme before the first paint. A file of its own: the content security policy allows no inline script.
try {
  var theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (e) {
  // No storage: the system's theme it is.
}
