// Runs before the first paint: the reader's language decides what the prerendered page may show.
(function () {
  var chosen = /(?:^|; )ct_locale=(en|ru)/.exec(document.cookie);
  var locale = chosen ? chosen[1] : /^ru\b/i.test(navigator.language || "") ? "ru" : "en";
  document.documentElement.dataset.locale = locale;
  document.documentElement.lang = locale;
})();
