<?php
// index.php: as much of ThinkPHP as the snippet needs. /index.php?s=/pay/event is Pay::event.
namespace think\facade {
    class Db
    {
        public static function name($table)
        {
            return new \Query($table);
        }

        public static function transaction($do)
        {
            return \transaction($do);
        }
    }
}

namespace {
    require __DIR__ . '/query.php';

    class ThinkRequest
    {
        public function header($name)
        {
            return sent($name);
        }

        public function post($name)
        {
            $body = json_decode(file_get_contents('php://input'), true);
            return isset($body[$name]) ? $body[$name] : null;
        }
    }

    function root_path()
    {
        return __DIR__ . '/';
    }

    function request()
    {
        return new ThinkRequest();
    }

    function json($value)
    {
        return Answer::json($value);
    }

    function response($text, $status)
    {
        return new Answer($text, $status);
    }

    require __DIR__ . '/snippet.php';
    answer(function () {
        $pay = new app\controller\Pay();
        switch ($_GET['s']) {
            case '/pay/quote':
                return $pay->quote($_GET['no']);
            case '/pay/event':
                return $pay->event();
        }
        return new Answer('no such page', 404);
    });
}
